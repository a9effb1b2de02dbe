"""state.hosts_file: /etc/hosts before and after, as files in tests/data/hosts (contract 01 §5.10)."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.state import hosts_file
from ablestack_api.state.cluster_document import ClusterConfig
from tests.support import documents

DATA = Path(__file__).parents[2] / "data/hosts"


def config(cluster_type: str = "ablestack-hci", numbers: tuple[int, ...] = (1, 2, 3), **more: Any) -> ClusterConfig:
    shape = documents.document(cluster_type)["clusterConfig"] | {"pcsCluster": []}
    shape["hosts"] = [documents.host(number, cluster_type) for number in numbers]
    return ClusterConfig.model_validate(shape | more)


def text_of(name: str) -> str:
    return (DATA / name).read_bytes().decode("utf-8", "surrogateescape")


def rendered(before: str, old: ClusterConfig, new: ClusterConfig, own: str = "ablecube31-1") -> str:
    ours = hosts_file.managed_names(old) | hosts_file.managed_names(new)
    return hosts_file.render(before, hosts_file.entries(new, own), ours)


EMPTY = ClusterConfig()
CASES: list[tuple[str, str, ClusterConfig, ClusterConfig, str]] = [
    ("plain.before", "first_insert.after", EMPTY, config(), "ablecube31-1"),
    ("first_insert.after", "first_insert.after", config(), config(), "ablecube31-1"),
    ("plain.before", "other_node.after", EMPTY, config(), "ablecube31-9"),
    ("plain.before", "own_scvm.after", EMPTY, config(), "scvm2"),
    ("first_insert.after", "add.after", config(), config(numbers=(1, 2, 3, 4)), "ablecube31-1"),
    ("first_insert.after", "remove_middle.after", config(), config(numbers=(1, 3)), "ablecube31-1"),
    ("plain.before", "vm.after", EMPTY, config("ablestack-vm"), "ablecube31-1"),
    ("first_insert.after", "hci_to_vm.after", config(), config("ablestack-vm"), "ablecube31-1"),
    ("predecessor.before", "first_insert.after", EMPTY, config(), "ablecube31-1"),
    ("operator.before", "operator.after", EMPTY, config("ablestack-vm"), "ablecube31-1"),
    ("crlf.before", "crlf.after", EMPTY, config("ablestack-standalone", numbers=(1,)), "ablecube31-1"),
    ("not_utf8.before", "not_utf8.after", EMPTY, config("ablestack-standalone", numbers=(1,)), "ablecube31-1"),
    ("empty.before", "empty.after", EMPTY, config("ablestack-standalone", numbers=(1,)), "ablecube31-1"),
]


@pytest.mark.parametrize(("before", "after", "old", "new", "own"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_golden(before: str, after: str, old: ClusterConfig, new: ClusterConfig, own: str) -> None:
    assert rendered(text_of(before), old, new, own) == text_of(after)


@pytest.mark.parametrize("name", [case[1] for case in CASES])
def test_golden_files_hold_no_blank_pile(name: str) -> None:
    assert text_of(name).endswith("\n")
    assert not text_of(name).endswith("\n\n")


def test_an_empty_address_gives_no_line() -> None:
    """W11: 0.1.2 added an empty line for each."""
    host = documents.host(1) | {"scvm": "", "scvmCn": ""}
    lines = rendered("", EMPTY, config(hosts=[host], ccvm={"ip": ""})).split("\n")
    assert lines == [
        "10.10.31.1\tablecube31-1 ablecube",
        "10.10.31.11\tscvm1-mngt scvm-mngt",
        "100.100.31.1\tpn-ablecube1 pn-ablecube",
        "",
    ]


@pytest.mark.parametrize("line", ["10.9.9.9 ablecube31-2 printer", "10.10.31.2 ablecube31-2 printer", "10.9.9.9\tscvm1 x"])
def test_a_line_with_any_foreign_name_stays(line: str) -> None:
    assert line in rendered(f"{line}\n", EMPTY, config()).split("\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("10.9.9.9 ablecube31-2 printer", True),
        ("10.10.31.2 ablecube31-2 printer", False),
        ("#10.9.9.9 ablecube31-2", False),
        ("10.9.9.9 printer", False),
        ("ablecube31-2", False),
    ],
)
def test_who_is_told_of_a_contradiction(line: str, told: bool) -> None:
    wanted = hosts_file.entries(config(), "ablecube31-1")
    conflicts = hosts_file.conflicts(rendered(f"{line}\n", EMPTY, config()), wanted)
    assert [line in text for text in conflicts] == ([True] if told else [])


def test_an_alias_alone_is_somebody_elses() -> None:
    """`scvm` or `ablecube` without one of our numbered names may be an operator's own line."""
    assert rendered("10.9.9.9 scvm\n", EMPTY, config()).startswith("10.9.9.9 scvm\n")


def test_a_file_that_does_not_differ_is_not_written(tmp_path: Path) -> None:
    settings = Settings({"ABLESTACK_SYSROOT": str(tmp_path)})
    assert hosts_file.read(settings) == ""
    assert hosts_file.write(settings, "127.0.0.1 localhost\n")
    before = Path(hosts_file.path(settings)).stat()
    assert not hosts_file.write(settings, "127.0.0.1 localhost\n")
    assert Path(hosts_file.path(settings)).stat().st_mtime_ns == before.st_mtime_ns
    assert before.st_mode & 0o777 == 0o644


def test_bytes_that_are_no_text_come_back(tmp_path: Path) -> None:
    settings = Settings({"ABLESTACK_SYSROOT": str(tmp_path)})
    path = Path(hosts_file.path(settings))
    path.parent.mkdir()
    path.write_bytes(b"10.0.0.1 caf\xe9\r\n")
    hosts_file.write(settings, hosts_file.read(settings) + "10.0.0.2 a\n")
    assert path.read_bytes() == b"10.0.0.1 caf\xe9\r\n10.0.0.2 a\n"
