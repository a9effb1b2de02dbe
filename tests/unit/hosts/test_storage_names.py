"""Names that become words of storage programs."""

from collections.abc import Callable

import pytest

from ablestack_api.core.errors import BadInput
from ablestack_api.hosts import storage_names

EVIL = ["", "-x", "a b", "a\nb", "a;b", "a/b", "$(x)", "ä", "a\0b", "\u202ea", "x" * 300]
CHECKS: list[tuple[Callable[[str], object], list[str], list[str]]] = [
    (
        storage_names.vg_name,
        ["vg_glue", "vg-a", "a.b", "a+b", "1", "_x", "x" * 127],
        [".", "..", "mapper", "disk", "null", "x" * 128],
    ),
    (
        storage_names.lv_name,
        ["lv_glue", "lv--x", "root.old"],
        ["snapshot1", "pvmove0", "a_tdata", "x_mimage_0", "..", "a_vorigin"],
    ),
    (storage_names.gfs_name, ["glue-gfs", "glue-gfs_2", "_a", "g" * 30], ["1a", "a.b", "a:b", "g" * 31]),
    (storage_names.cluster_name, ["cloudcenter_cluster", "1", "c" * 32], ["a.b", "a:b", "c" * 33]),
    (storage_names.cluster_user, ["hacluster", "_x", "a-b"], ["root", "A", "1a", "a:b"]),
    (lambda value: storage_names.hostname(value, "f"), ["ablecube31-1", "a.b.c", "A1"], ["a..b", ".a", "a_b", "a."]),
    (lambda value: storage_names.address(value, "f"), ["10.0.0.1", "fe80::1", "bmc-1"], ["a..b", "fe80::1::2"]),
    (lambda value: storage_names.port(value, "f"), ["1", "623", "65535"], ["0", "65536", "-1", "1.5", "٦", "1e3", "000001"]),
    (lambda value: storage_names.login(value, "f"), ["admin", "a b"], ["a\x07"]),
]


@pytest.mark.parametrize(("check", "good", "bad"), CHECKS)
def test_names(check: Callable[[str], object], good: list[str], bad: list[str]) -> None:
    for value in good:
        assert str(check(value)) == value
    for value in [*bad, *(each for each in EVIL if each not in good and not (check is CHECKS[-1][0] and _fits(each)))]:
        with pytest.raises(BadInput):
            check(value)


def _fits(value: str) -> bool:
    """A login may hold what a name of LVM may not."""
    return value.isprintable() and not value.startswith("-") and len(value) <= 64


@pytest.mark.parametrize("path", ["/mnt/glue-gfs", "/mnt/a/b", "/glue", "/srv/x", "/mnt/glue-gfs_1.2"])
def test_mount_points(path: str) -> None:
    assert storage_names.mount_point(path) == path


NO_MOUNT_POINTS = [
    *("", "/", "//", "mnt", "/mnt", "/mnt/", "/mnt//a", "/mnt/../etc", "/mnt/./a", "/etc", "/etc/x", "/usr/local/x"),
    *("/boot", "/dev/x", "/proc/x", "/home/x", "/root", "/tmp/x", "/mnt/a b", "/mnt/a\n", "/mnt/$x", "-/mnt", "/var/x"),
    "/" + "a" * 300,
]


@pytest.mark.parametrize("path", NO_MOUNT_POINTS)
def test_what_is_no_mount_point(path: str) -> None:
    with pytest.raises(BadInput):
        storage_names.mount_point(path)


def test_both_names_together_fit_into_device_mapper() -> None:
    assert storage_names.lv_name("l" * 60, vg="v" * 60)
    with pytest.raises(BadInput, match="dashes twice"):
        storage_names.lv_name("l-" * 30, vg="v-" * 30)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b"])
def test_one_line(text: str) -> None:
    assert storage_names.one_line("a: b", "f") == "a: b"
    with pytest.raises(BadInput, match=r"^mine$"):
        storage_names.one_line(text, "f", "mine")
