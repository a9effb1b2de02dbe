"""What the node's files say of the local volume: its line in fstab, its mark in cluster.json."""

from ablestack_api.env import Env
from ablestack_api.hosts.local_storage.volume import DEVICE, FSTYPE, MOUNT_POINT
from ablestack_api.jobs.plan import Step
from ablestack_api.state import cluster_file, fstab
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.tools import systemctl

RELOAD = (["systemctl", "daemon-reload"],)


def list_mount(env: Env) -> Step:
    """systemd makes a mount unit of the line, and forgets it by the same command."""
    before: list[bytes] = []
    return Step(
        "fstab",
        f"list {DEVICE} in /{fstab.PLACE}",
        lambda: _edited(env, before, fstab.put(env.settings, DEVICE, MOUNT_POINT, FSTYPE)),
        lambda: _put_back(env, before),
        undo_if_failed=True,
        commands=RELOAD,
    )


def forget_mount(env: Env) -> Step:
    before: list[bytes] = []
    return Step(
        "fstab",
        f"take {DEVICE} out of /{fstab.PLACE}",
        lambda: _edited(env, before, fstab.remove(env.settings, DEVICE)),
        lambda: _put_back(env, before),
        undo_if_failed=True,
        commands=RELOAD,
    )


def mark(env: Env, *, configured: bool) -> Step:
    """bootstrap.local_configure of this node's cluster.json."""
    value = "true" if configured else "false"
    before: list[str] = []

    def do() -> None:
        before.append(cluster_file.read(env.settings).document.profile.bootstrap.local_configure)
        cluster_file.edit(env.settings, lambda document: _set(document, value))

    def undo() -> None:
        cluster_file.edit(env.settings, lambda document: _set(document, before[0]))

    return Step("cluster-json", f"note local_configure={value} in cluster.json", do, undo)


def _edited(env: Env, before: list[bytes], content: bytes | None) -> None:
    if content is not None:
        before.append(content)
        systemctl.daemon_reload(env.runner)


def _put_back(env: Env, before: list[bytes]) -> None:
    for content in before:
        fstab.put_back(env.settings, content)
        systemctl.daemon_reload(env.runner)


def _set(document: ClusterDocument, value: str) -> None:
    document.profile.bootstrap.local_configure = value
