"""state.cluster_file: edits under one lock, revisions beside it, an ETag for the content."""

import json
import os
import threading
from pathlib import Path

import pytest

from ablestack_api.core.errors import ClusterFileDamaged, ClusterFileMissing, RevisionChanged
from ablestack_api.core.settings import Settings
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import ClusterDocument
from tests.support import documents


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path)})


@pytest.fixture
def path(settings: Settings) -> Path:
    path = Path(settings.cluster_json)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(documents.document(), indent=4))
    return path


def set_time_server(settings: Settings, name: str) -> None:
    def change(document: ClusterDocument) -> None:
        document.cluster.external_timeserver = name

    cluster_file.edit(settings, change)


def revisions(settings: Settings) -> list[bytes]:
    folder = Path(cluster_file.revisions_folder(settings))
    return [(folder / name).read_bytes() for name in cluster_file.list_revisions(settings)]


def test_the_last_ten_revisions_are_kept_newest_first(settings: Settings, path: Path) -> None:
    written = [path.read_bytes()]
    for number in range(14):
        set_time_server(settings, f"ntp{number}.example")
        written.append(path.read_bytes())
    assert revisions(settings) == written[-2:-12:-1]


def test_revisions_are_for_nobody_else(settings: Settings, path: Path) -> None:
    set_time_server(settings, "a.example")
    folder = Path(cluster_file.revisions_folder(settings))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_changes_that_are_undone_do_not_push_the_old_revisions_out(settings: Settings, path: Path) -> None:
    set_time_server(settings, "first.example")
    original = path.read_bytes()
    for number in range(12):
        set_time_server(settings, f"failed{number}.example")
        path.write_bytes(original)  # as an undo puts it back
    assert len(set(revisions(settings))) == len(revisions(settings)) == 2


def test_an_edit_that_changes_nothing_writes_nothing(settings: Settings, path: Path) -> None:
    set_time_server(settings, "a.example")
    before = path.stat().st_mtime_ns, len(revisions(settings))
    set_time_server(settings, "a.example")
    assert (path.stat().st_mtime_ns, len(revisions(settings))) == before


def test_a_write_makes_the_file_private(settings: Settings, path: Path) -> None:
    """W10: it holds the internal token."""
    path.chmod(0o644)
    set_time_server(settings, "a.example")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_etag_names_the_content(settings: Settings, path: Path) -> None:
    first = cluster_file.read(settings).etag
    assert cluster_file.read(settings).etag == first
    set_time_server(settings, "a.example")
    second = cluster_file.read(settings).etag
    assert second != first
    path.write_bytes(path.read_bytes() + b"\n")
    assert cluster_file.read(settings).etag != second


@pytest.mark.parametrize("if_match", [None, "*", '"abc"', "abc", 'W/"abc"', '"x", "abc"'])
def test_a_match(if_match: str | None) -> None:
    cluster_file.require_match("abc", if_match)


@pytest.mark.parametrize("if_match", ['"abd"', "ABC", '"x", "y"', '"ab"'])
def test_no_match(if_match: str) -> None:
    with pytest.raises(RevisionChanged) as caught:
        cluster_file.require_match("abc", if_match)
    assert caught.value.status == 412


def test_edits_at_the_same_time_lose_nothing(settings: Settings, path: Path) -> None:
    def add(number: int) -> None:
        def change(document: ClusterDocument) -> None:
            document.cluster.pcs_cluster = [*document.cluster.pcs_cluster, f"node-{number}"]

        cluster_file.edit(settings, change)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    names = cluster_file.read(settings).document.cluster.pcs_cluster
    assert set(names) >= {f"node-{number}" for number in range(12)}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\0" * 10])
def test_a_damaged_file_is_not_written(settings: Settings, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for create in (False, True):
        with pytest.raises(ClusterFileDamaged, match=r"failed to read cluster\.json"):
            cluster_file.edit(settings, lambda document: None, create=create)
    assert path.read_bytes() == content
    assert cluster_file.list_revisions(settings) == []


def test_a_missing_file(settings: Settings) -> None:
    with pytest.raises(ClusterFileMissing):
        cluster_file.edit(settings, lambda document: None)
    assert not os.path.exists(settings.cluster_json)
    assert not cluster_file.read_or_empty(settings).document.is_configured
    cluster_file.edit(settings, lambda document: None, create=True)
    assert os.stat(settings.cluster_json).st_mode & 0o777 == 0o600


def test_an_error_inside_an_edit_changes_nothing(settings: Settings, path: Path) -> None:
    before = path.read_bytes()

    def change(document: ClusterDocument) -> None:
        document.cluster.hosts = []
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        cluster_file.edit(settings, change)
    assert path.read_bytes() == before


def test_the_digest_names_what_all_nodes_share() -> None:
    one = ClusterDocument.model_validate({"security": {"internal_token": "x"}, "unknown": 1})
    assert cluster_file.digest(one) == cluster_file.digest(ClusterDocument())
    one.cluster.external_timeserver = "ntp.example"
    assert cluster_file.digest(one) != cluster_file.digest(ClusterDocument())
