"""What the guest agent tells of a storage VM, and the shapes it is told in."""

import pytest

from ablestack_api.hypervisor.guest_agent import FileSystem
from ablestack_api.scvm import guest
from ablestack_api.scvm.status import memory_text

GIB = 2**30


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (512, "512B"),
        (1024, "1.0K"),
        (9.5 * GIB, "9.5G"),
        (10 * GIB, "10G"),
        (49.2 * GIB, "49G"),
        (2**60, "1024P"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert guest.human(int(count)) == text


@pytest.mark.parametrize(
    ("kib", "text"), [(1024, "1 MiB"), (1023 * 1024, "1023 MiB"), (2**20, "1 GiB"), (33 * 2**20, "33 GiB"), (2**30, "1 TiB")]
)
def test_memory(kib: int, text: str) -> None:
    assert memory_text(kib) == text


def test_the_root_file_system() -> None:
    root, boot = FileSystem("dm-0", "/", 100, 25), FileSystem("vda1", "/boot", 10, 1)
    assert guest.root_disk([boot, root])["rootDiskUsePer"] == "25%"
    named = FileSystem("rl-root", "/sysroot", 100, 50)
    assert guest.root_disk([boot, named])["rootDiskUsePer"] == "50%"
    assert guest.root_disk([boot])["rootDiskUsePer"] == "10%"
    assert set(guest.root_disk([boot, boot]).values()) == {"N/A"}
    assert set(guest.root_disk([]).values()) == {"N/A"}
    assert set(guest.root_disk([FileSystem("x", "/", 0, 0)]).values()) == {"N/A"}
