"""Makes the root file system that all nodes share, once, and keeps it in the cache under a key of its recipe."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.lab import cache, mounts, paths
from tests.lab.command import Output, run
from tests.lab.recipe import BUILD_PACKAGES, RECIPE, Recipe

BUILD_TIMEOUT = 1800.0
NO_SERVICES = "#!/bin/sh\nexit 101\n"
MACHINE = "ablab-build"
# A build whose program was killed must not go on writing into the cache.
DIES_WITH_US = ("setpriv", "--pdeathsig=KILL")
Say = Callable[[str], None]


def key(recipe: Recipe = RECIPE) -> str:
    """Twelve hexadecimal digits that change with anything in the recipe."""
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def provide(say: Say) -> Path:
    """The finished root file system, made first when the cache has none; safe to call from several processes."""
    finished = paths.cache() / f"rootfs-{key()}"
    with cache.building(finished) as partial:
        if partial is not None:
            say("building the root file system of the nodes (once; about two minutes)")
            _build(partial, RECIPE)
    return finished


def provide_builder(say: Say) -> Path:
    """A layer for on top of the root file system with compilers and headers, made when the cache has none."""
    base = provide(say)
    finished = paths.cache() / f"builder-{_builder_key()}"
    with cache.building(finished) as partial:
        if partial is not None:
            say("installing the compilers that build the product (once; some ten seconds)")
            with mounts.scratch((base,), upper=partial) as root:
                install(root, BUILD_PACKAGES)
    return finished


def bootstrap(root: Path, suite: str, packages: Sequence[str]) -> None:
    """The smallest Debian of that release with these packages, in an empty folder."""
    debootstrap = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, str(root), *_mirror(suite)]
    run([*DIES_WITH_US, *debootstrap], timeout=BUILD_TIMEOUT)


def install(root: Path, packages: Sequence[str]) -> None:
    """Install Debian packages in `root` without starting any service."""
    policy = root / "usr/sbin/policy-rc.d"
    write(policy, NO_SERVICES)
    policy.chmod(0o755)
    inside(root, ["apt-get", "-q", "update"])
    inside(root, ["apt-get", "-qy", "--no-install-recommends", "install", *packages])
    policy.unlink()


def inside(root: Path, argv: Sequence[str], *, binds: Sequence[str] = (), timeout: float = BUILD_TIMEOUT) -> Output:
    """Run `argv` in a root file system that is being built, with this machine's network and apt configuration.

    `binds` are options of systemd-nspawn such as --bind-ro=FOLDER. Raises CommandFailedError.
    """
    network = ["--bind-ro=/etc/apt", "--bind-ro=/etc/resolv.conf"]
    options = [
        "--quiet",
        f"--machine={MACHINE}",
        "--register=no",
        "--keep-unit",
        "--as-pid2",
        "--setenv=DEBIAN_FRONTEND=noninteractive",
    ]
    return run([*DIES_WITH_US, "systemd-nspawn", *options, "-D", str(root), *network, *binds, *argv], timeout=timeout)


def remove(root: Path, patterns: Sequence[str]) -> None:
    """Delete what matches any of `patterns`, which are relative to `root`."""
    for path in (path for pattern in patterns for path in root.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def write(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def remove_outdated() -> None:
    """Delete root file systems and builders of other recipes that no running lab is mounted on."""
    current = {f"rootfs-{key()}", f"builder-{_builder_key()}"}
    for folder in (*paths.cache().glob("rootfs-*"), *paths.cache().glob("builder-*")):
        if folder.name not in current and not mounts.is_layer_in_use(folder):
            shutil.rmtree(folder)


def _builder_key() -> str:
    return hashlib.sha256(repr((key(), BUILD_PACKAGES)).encode()).hexdigest()[:12]


def _build(root: Path, recipe: Recipe) -> None:
    """Every step from an empty folder to a root file system that boots as a node."""
    bootstrap(root, recipe.suite, recipe.base)
    install(root, recipe.packages)
    for unit in recipe.masked:
        link(root / "etc/systemd/system" / unit, "/dev/null")
    run(["systemctl", f"--root={root}", "disable", *recipe.disabled])
    remove(root, recipe.removed)
    for name, content in recipe.files.items():
        write(root / name, content)


def _mirror(suite: str) -> list[str]:
    """The Debian mirror that this machine's apt uses, or nothing when its lists do not tell (the default then)."""
    wanted = ["Created-By: Packages", f"Codename: {suite}"]
    listed = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted])
    return listed.stdout.split()[:1]
