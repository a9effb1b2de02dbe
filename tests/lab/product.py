"""Puts the product into nodes: the very file tree that the package installs, built with the nodes' own Python."""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.lab import cache, identity, mounts, paths, rootfs
from tests.lab.command import run
from tests.lab.errors import LabError
from tests.lab.machine import Machine
from tests.lab.profile import Node

UNIT = "ablestack-api.service"
PORT = 8090
BUILD_TIMEOUT = 900.0
KEPT_TREES = 3
# What decides the tree; relative to the top of the sources, folders with everything in them.
INGREDIENTS = (
    *("ablestack_api", "configs", "shell", "packaging", "pyproject.toml", "requirements.lock"),
    *("VERSION", "README.md", "LICENSE"),
)
REPLACED = ("usr/lib/ablestack-api", "usr/bin/ablestack-api", "usr/bin/ablestack-auth-token")
REPLACED_FILES = ("usr/lib/systemd/system/ablestack-api.service", "etc/pam.d/ablestack-api")
STATE = ("etc/ablestack", "var/lib/ablestack", "var/log/ablestack")
TRACES = (
    "root/.ssh/known_hosts*",
    "etc/sysctl.d/*ablestack*",
    "etc/modules-load.d/*ablestack*",
    "var/spool/cron/crontabs/root",
)
LOCAL_PATH = re.compile(r"(?:^|\s)(/\S+)")
LOCAL_INDEX = re.compile(r"file://(/\S+)")


def source() -> Path:
    """The checkout whose product is installed ($ABLESTACK_LAB_SOURCE, else the one this file is in)."""
    return Path(os.environ.get("ABLESTACK_LAB_SOURCE", str(paths.SOURCE)))


def key(sources: Path) -> str:
    """Twelve hexadecimal digits that change with what decides the tree, and with the root file system of the nodes."""
    digest = hashlib.sha256(rootfs.key().encode())
    for path in sorted(_files(sources)):
        digest.update(f"{path.relative_to(sources)}\0{path.stat().st_mode}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def provide(say: Callable[[str], None]) -> Path:
    """The file tree of the product as it is now, built first when the cache has none; never changed afterwards."""
    layers = (rootfs.provide_builder(say), rootfs.provide(say))
    with tempfile.TemporaryDirectory(prefix="ablestack-lab-") as folder:
        sources = _snapshot(Path(folder))
        finished = paths.cache() / f"product-{key(sources)}"
        with cache.building(finished) as partial:
            if partial is not None:
                say("building the product's file tree")
                _build(sources, partial, layers)
                cache.keep_newest("product-*", KEPT_TREES)
    return finished


def switch_on(root: Path) -> None:
    """Let the product start when the node whose disk is at `root` does."""
    run(["systemctl", f"--root={root}", "enable", UNIT])


def deploy(machine: Machine, tree: Path) -> None:
    """Bring the product in a running node to the state of `tree`, as an update of the package does; restarts it.

    Configuration and state of the node are kept.
    """
    for name in REPLACED:
        run(["rsync", "-a", "--delete", *_contents(tree / name), *_contents(machine.root / name)])
    for name in REPLACED_FILES:
        run(["rsync", "-a", str(tree / name), str(machine.root / name)])
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "restart", UNIT])


def reset(machine: Machine, node: Node, tree: Path, keep: Sequence[str] = ()) -> None:
    """Make the node's product as new: fresh configuration, no state, no logs, none of its traces in the system's files.

    `keep` are files below /etc/ablestack, relative to it, that stay as they are.
    """
    machine.run(["systemctl", "stop", UNIT])
    kept = [f"--exclude=/{name}" for name in keep]
    for name in STATE:
        run(["rsync", "-a", "--checksum", "--delete", *kept, *_contents(tree / name), *_contents(machine.root / name)])
    for trace in (path for pattern in TRACES for path in machine.root.glob(pattern)):
        trace.unlink()
    _restore_identity(machine, node)
    machine.run(["systemctl", "reset-failed", UNIT], ok=None)
    machine.run(["systemctl", "start", UNIT])


def _restore_identity(machine: Machine, node: Node) -> None:
    """Write the files of a node without a cluster over what the product made of them."""
    for name, content in identity.files(node).items():
        path = machine.root / name
        if path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="ascii")
            if name == identity.CHRONY_FILE:
                machine.run(["systemctl", "reset-failed", "chrony"], ok=None)  # a unit may start only so often
                machine.run(["systemctl", "restart", "chrony"])


def unit_state(machine: Machine) -> str:
    """What systemd says of the product's unit: `active`, `activating`, `failed` …; `unknown` when it says nothing."""
    with contextlib.suppress(LabError):
        return machine.run(["systemctl", "is-active", UNIT], ok=None).stdout.strip()
    return "unknown"


def _snapshot(folder: Path) -> Path:
    """A copy of what decides the tree, so that somebody's next edit is in the next tree, and never half in this one."""
    for file in _files(source()):
        copy = folder / file.relative_to(source())
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return folder


def _build(sources: Path, partial: Path, layers: tuple[Path, Path]) -> None:
    """Run packaging/build-tree.sh of `sources` on a throw-away copy of a node that also has compilers."""
    store = paths.cache() / "build"
    store.mkdir(exist_ok=True)
    with mounts.scratch(layers) as root:
        settings = ["--setenv=ABLESTACK_BUILD_CACHE=/mnt/build", *_pip_settings()]
        binds = [f"--bind-ro={sources}:/mnt/source", f"--bind={store}:/mnt/build", f"--bind={partial}:/mnt/tree"]
        command = ["/mnt/source/packaging/build-tree.sh", "/mnt/tree"]
        rootfs.inside(root, command, binds=[*binds, *settings], timeout=BUILD_TIMEOUT)


def _pip_settings() -> list[str]:
    """Options of systemd-nspawn that give pip inside what pip of this machine is configured with.

    Settings become PIP_ variables, and the local files and folders they name are visible at the same place.
    """
    listed = run(["python3", "-m", "pip", "config", "list"], ok=None, env=_own_environment()).stdout
    settings = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    options = []
    for name, quoted in settings.items():
        value = quoted.strip("'").replace("\\n", " ")
        options.append(f"--setenv=PIP_{name.split('.')[-1].upper().replace('-', '_')}={value}")
        options += [f"--bind-ro={path}" for path in _local_paths(value)]
    return sorted(set(options))


def _local_paths(value: str) -> list[Path]:
    """The existing files and folders that a setting of pip names; the pages of an index link to its neighbours."""
    named = [Path(path) for path in LOCAL_PATH.findall(value)]
    named += [Path(path).parent for path in LOCAL_INDEX.findall(value)]
    return [path for path in named if path.exists() and path != Path("/")]


def _own_environment() -> dict[str, str]:
    """This process's own PIP_ variables and path: pip's configuration is read where the person keeps it."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name in ("PATH", "HOME")}


def _files(top: Path) -> Iterable[Path]:
    """The regular files of the ingredients, without what Python leaves behind."""
    for name in INGREDIENTS:
        path = top / name
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def _contents(path: Path) -> list[str]:
    """The path as rsync wants it: a folder means what is in it."""
    return [f"{path}/" if path.is_dir() and not path.is_symlink() else str(path)]
