"""cluster.json on this node: read, changed under one lock, the last revisions kept beside it."""

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ablestack_api.core.errors import ClusterFileDamaged, ClusterFileMissing, RevisionChanged
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file
from ablestack_api.state.cluster_document import ClusterDocument, NotAClusterDocument, layout, parse

KEPT_REVISIONS = 10
FILE_MODE = 0o600


@dataclass(frozen=True)
class ClusterFile:
    """A reading of the file. `etag` names this very content."""

    document: ClusterDocument
    etag: str


def read(settings: Settings) -> ClusterFile:
    """Raises ClusterFileMissing, ClusterFileDamaged (message starts as 0.1.2's did), FileUnusable."""
    content = json_file.read_bytes(settings.cluster_json)
    if content is None:
        raise ClusterFileMissing(
            f"failed to read cluster.json: {settings.cluster_json} does not exist; "
            "apply a cluster configuration (action insert) or put the file back",
            path=settings.cluster_json,
        )
    return ClusterFile(_parsed(settings, content), etag_of(content))


def read_or_empty(settings: Settings) -> ClusterFile:
    """Like `read`; a node without the file is a node that is not configured yet."""
    content = json_file.read_bytes(settings.cluster_json)
    if content is None:
        return ClusterFile(ClusterDocument(), etag_of(b""))
    return ClusterFile(_parsed(settings, content), etag_of(content))


def edit(settings: Settings, change: Callable[[ClusterDocument], None], *, create: bool = False) -> ClusterFile:
    """Read, change and write under the lock; the content before is kept as a revision. Returns the new reading.

    `create` allows the file to be missing. A damaged file is never written over. Nothing is written when nothing
    changed.
    """
    with json_file.locked(settings.cluster_json):
        before = read_or_empty(settings) if create else read(settings)
        document = before.document.model_copy(deep=True)
        change(document)
        content = document.to_bytes()
        if etag_of(content) != before.etag:
            keep_revision(settings)
            json_file.write_bytes(settings.cluster_json, content, mode=FILE_MODE)
        return ClusterFile(document, etag_of(content))


def require_match(etag: str, if_match: str | None) -> None:
    """Raises RevisionChanged when the caller wrote for another revision (`If-Match`)."""
    wanted = [value.strip().removeprefix("W/").strip('"') for value in (if_match or "*").split(",")]
    if "*" not in wanted and etag not in wanted:
        raise RevisionChanged(
            "cluster.json was changed since it was read; read it again and repeat the change on the new content",
            etag=etag,
        )


def etag_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def digest(document: ClusterDocument) -> str:
    """What an apply makes equal on all nodes: not the token, the profile, the backup path, unknown keys."""
    config = document.cluster
    hosts = [[host.index, host.hostname, *host.addresses] for host in config.hosts]
    shared = [
        config.type, config.ccvm.ip, config.mngt_nic.cidr, config.mngt_nic.gw, config.mngt_nic.dns, config.pcs_cluster,
        hosts, config.external_timeserver, config.storage_network,
    ]  # fmt: skip
    return hashlib.sha256(layout(shared).encode("utf-8", "replace")).hexdigest()[:16]


def new_token() -> str:
    """32 random bytes, base64url without padding: an internal token or a signing value."""
    return secrets.token_urlsafe(32)


def revisions_folder(settings: Settings) -> str:
    return os.path.join(os.path.dirname(settings.cluster_json), "revisions")


def keep_revision(settings: Settings) -> None:
    """Copy the present file to the revisions, unless the newest is the same (an undone apply); the oldest beyond ten go."""
    content = json_file.read_bytes(settings.cluster_json)
    newest = next(iter(list_revisions(settings)), "")
    if not content or newest.endswith(f".{etag_of(content)}"):
        return
    folder = revisions_folder(settings)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    json_file.write_bytes(os.path.join(folder, f"cluster.json.{stamp}.{etag_of(content)}"), content, mode=FILE_MODE)
    os.chmod(folder, 0o700)
    for name in list_revisions(settings)[KEPT_REVISIONS:]:
        json_file.remove(os.path.join(folder, name))


def list_revisions(settings: Settings) -> list[str]:
    """File names, newest first."""
    try:
        names = os.listdir(revisions_folder(settings))
    except FileNotFoundError:
        return []
    return sorted((name for name in names if name.startswith("cluster.json.") and not name.endswith(".tmp")), reverse=True)


def _parsed(settings: Settings, content: bytes) -> ClusterDocument:
    try:
        return parse(content)
    except NotAClusterDocument as error:
        raise ClusterFileDamaged(
            f"failed to read cluster.json: {settings.cluster_json}: {error}. It was left as it is; "
            f"good copies are in {revisions_folder(settings)}",
            path=settings.cluster_json,
        ) from error
