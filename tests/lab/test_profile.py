"""The profiles that are shipped can be read, and what could not be built is refused with its reason."""

from pathlib import Path

import pytest

from tests.lab import profile
from tests.lab.errors import LabError

BROKEN = """\
networks:
  management: {{prefix: {prefix}, device: mgmt0}}
roles:
  cube: []
profiles:
  one:
    nodes:
      {name}: {{role: cube, management: {address}}}
    database: {{node: cube1}}
"""


def _load(folder: Path, **values: str) -> profile.Profile:
    file = folder / "lab.yaml"
    file.write_text(BROKEN.format(**{"prefix": "198.18.10.0/24", "name": "cube1", "address": "198.18.10.1"} | values))
    return profile.load("one", file)


@pytest.mark.parametrize("name", profile.names())
def test_a_shipped_profile_has_hosts_and_a_cloud_vm(name: str) -> None:
    loaded = profile.load(name)
    assert loaded.with_role("cube")
    assert [node.name for node in loaded.with_role("ccvm")] == ["ccvm"]


def test_a_sound_profile_is_read(tmp_path: Path) -> None:
    assert _load(tmp_path).node("cube1").management == "198.18.10.1"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"prefix": "10.0.0.0/24"}, "not inside 198.18.0.0/15"),
        ({"address": "198.18.11.1"}, "no free address"),
        ({"address": "198.18.10.254"}, "no free address"),
        ({"name": "Cube_1"}, "does not fit"),
        ({"name": "cube2"}, "unknown nodes: cube1"),
    ],
)
def test_what_cannot_be_built_is_refused(tmp_path: Path, values: dict[str, str], reason: str) -> None:
    with pytest.raises(LabError, match=reason):
        _load(tmp_path, **values)


def test_an_unknown_node_is_named_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="no node 'cube9'; it has cube1, ccvm"):
        profile.load("standalone").node("cube9")
