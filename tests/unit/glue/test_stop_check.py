"""Which storage hosts may be taken off."""

import pytest

from ablestack_api.glue.stop_check import Group, Quorum, groups, lost_quorum, quorum


def test_hosts_are_all_that_have_osds_or_monitors() -> None:
    found = groups({"b": [1, 2], "a": [0]}, {"m1": "a", "m2": "c", "m3": "a"})
    assert found == [Group("a", (0,), ("m1", "m3")), Group("b", (1, 2), ()), Group("c", (), ("m2",))]


@pytest.mark.parametrize(
    ("total", "present", "monitors", "lost"),
    [
        (3, "abc", "a", False),
        (3, "abc", "ab", True),
        (3, "ab", "a", True),
        (3, "ab", "c", False),
        (5, "abcde", "ab", False),
        (5, "abcd", "ab", True),
        (2, "ab", "a", True),
        (1, "a", "a", True),
        (3, "ab", "", False),
    ],
)
def test_the_quorum(total: int, present: str, monitors: str, lost: bool) -> None:
    told = lost_quorum(Group("x", (), tuple(monitors)), Quorum(total, tuple(present)))
    assert bool(told) is lost
    assert not lost or told.startswith(f"of {total} monitors only ")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"monmap": {"num_mons": 3}, "quorum_names": ["a", "b"]}, Quorum(3, ("a", "b"))),
        ({"quorum_names": ["a", "b"]}, Quorum(2, ("a", "b"))),
        ({}, Quorum(0, ())),
        ({"monmap": 5, "quorum_names": "abc"}, Quorum(0, ())),
    ],
)
def test_who_votes(status: dict[str, object], expected: Quorum) -> None:
    assert quorum(status) == expected
