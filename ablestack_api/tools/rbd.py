"""rbd(8): images of Ceph pools, and their mapping to block devices of this node.

rbd has no `--connect-timeout`; `--client-mount-timeout` is the option of librados behind it. Exit codes are errno values.
"""

import json
from dataclasses import dataclass
from errno import EEXIST, ENOENT
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

CONNECT_SECONDS = 5
READ_SECONDS = 30.0
# Ceph writes an image's metadata only; removing one deletes its objects one by one.
CREATE_SECONDS = 120.0
REMOVE_SECONDS = 1800.0
MAP_SECONDS = 60.0
USER, KEYRING = "admin", "/etc/ceph/ceph.client.admin.keyring"
NO_SNAPSHOT = ("", "-")


@dataclass(frozen=True)
class Watcher:
    """A client that has an image open: `address` without port. One that crashed is told for 30 more seconds."""

    address: str
    client: int


@dataclass(frozen=True)
class Mapping:
    """An image (`pool/name`) that the kernel of this node shows as `device`."""

    image: str
    device: str


def list_images(runner: Runner, pool: str) -> list[str] | None:
    """The names of a pool's images; None when there is no such pool.

    Raises CommandFailed, CommandTimedOut, ProgramMissing, as every function here.
    """
    finished = runner.run(_argv("ls", "--format", "json", "--", pool), timeout=READ_SECONDS, ok=(0, ENOENT))
    if finished.code == ENOENT:
        return None
    return [str(name) for name in _list(finished.stdout, "rbd ls")]


def create(runner: Runner, image: str, gib: int) -> bool:
    """Make an image that krbd of every release can map; False when there is one of that name already."""
    options = ["--size", f"{gib}G", "--image-feature", "layering", "--no-progress"]
    return runner.run(_argv("create", *options, "--", image), timeout=CREATE_SECONDS, ok=(0, EEXIST)).code == 0


def remove(runner: Runner, image: str) -> None:
    """Raises CommandFailed; `exit_code` 16 (EBUSY): somebody has it open, 39 (ENOTEMPTY): it has snapshots."""
    runner.run(_argv("rm", "--no-progress", "--", image), timeout=REMOVE_SECONDS)


def rename(runner: Runner, image: str, name: str) -> None:
    """Both as `pool/name`, of one pool."""
    runner.run(_argv("rename", "--", image, name), timeout=CREATE_SECONDS)


def resize(runner: Runner, image: str, size: str) -> None:
    """Enlarge it to a size as rbd has it (`500G`); rbd refuses to make it smaller."""
    runner.run(_argv("resize", "--no-progress", "--size", size, "--", image), timeout=REMOVE_SECONDS)


def read_size(runner: Runner, image: str) -> int:
    """Bytes."""
    printed = runner.run(_argv("info", "--format", "json", "--", image), timeout=READ_SECONDS).stdout
    try:
        return int(json.loads(printed)["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise _not_understood("rbd info") from error


def watchers(runner: Runner, image: str) -> list[Watcher]:
    """Who has an image open, this node's own kernel included."""
    printed = runner.run(_argv("status", "--format", "json", "--", image), timeout=READ_SECONDS).stdout
    try:
        return [Watcher(_host(each["address"]), int(each["client"])) for each in json.loads(printed)["watchers"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _not_understood("rbd status") from error


def mappings(runner: Runner) -> list[Mapping]:
    """What this node's kernel has mapped; snapshots and namespaces are nobody's of ours and left out."""
    rows = _list(runner.run(["rbd", "device", "list", "--format", "json"], timeout=READ_SECONDS).stdout, "rbd device list")
    try:
        plain = [row for row in rows if row.get("snap", "") in NO_SNAPSHOT and not row.get("namespace")]
        return [Mapping(f"{row['pool']}/{row['name']}", str(row["device"])) for row in plain]
    except (KeyError, AttributeError) as error:
        raise _not_understood("rbd device list") from error


def map_image(runner: Runner, image: str) -> str:
    """Map one image as its line in rbdmap(8) says; the device's path. Mapping it twice would give a second device."""
    argv = _argv("device", "map", "--id", USER, "--keyring", KEYRING, "--", image)
    return runner.run(argv, timeout=MAP_SECONDS).stdout.strip()


def unmap_device(runner: Runner, device: str) -> None:
    """The kernel refuses (exit code 16) while anything has the device open."""
    runner.run(["rbd", "device", "unmap", "--", device], timeout=MAP_SECONDS)


def create_argv(image: str, gib: int) -> list[str]:
    """What `create` runs, for a plan that is only shown."""
    return ["rbd", "create", "--size", f"{gib}G", "--image-feature", "layering", image]


def remove_argv(image: str) -> list[str]:
    return ["rbd", "rm", image]


def _argv(*words: str) -> list[str]:
    return ["rbd", "--client-mount-timeout", str(CONNECT_SECONDS), *words]


def _host(address: str) -> str:
    """`198.51.100.7:0/2328930267`, or `[fd00::7]:0/…`, or either behind a `v1:`."""
    host = address.split("/", 1)[0].rpartition(":")[0]
    return host.removeprefix("v1:").removeprefix("v2:").strip("[]")


def _list(printed: str, command: str) -> list[Any]:
    try:
        value = json.loads(printed)
    except ValueError as error:
        raise _not_understood(command) from error
    if not isinstance(value, list):
        raise _not_understood(command)
    return value


def _not_understood(command: str) -> CommandFailed:
    return CommandFailed(f"{command} did not print JSON that can be understood", program="rbd", exit_code=0)
