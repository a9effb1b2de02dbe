"""What the Cloud Center VM reads of itself."""

import pytest

from ablestack_api.ccvm import guest


@pytest.mark.parametrize(
    ("online", "count"), [("0-7\n", "8"), ("0", "1"), ("0-3,8,10-11", "7"), ("", "N/A"), ("all", "N/A"), ("0-", "N/A")]
)
def test_processors(online: str, count: str) -> None:
    assert guest.cpu_count(online) == count


def test_memory() -> None:
    assert guest.memory("MemTotal: 100 kB\nMemAvailable: 40 kB\n") == {"Max memory": "100 KiB", "Used memory": "60 KiB"}
    assert guest.memory("MemTotal: 100 kB\n") == {"Max memory": "100 KiB", "Used memory": "N/A"}
    assert guest.memory("nonsense\nMemTotal: x kB") == {"Max memory": "N/A", "Used memory": "N/A"}


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ('[{"addr_info":[{"family":"inet6","local":"fe80::1"},{"family":"inet","local":"10.0.0.1","prefixlen":16}]}]', "16"),
        ('[{},{"addr_info":[]}]', "N/A"),
        ("", "N/A"),
    ],
)
def test_addresses(printed: str, found: str) -> None:
    assert guest.first_address(printed)[1] == found


def test_disks_of_a_guest_without_the_second_volume() -> None:
    lines = ["Filesystem Size Used Avail Use% Mounted on", "/dev/mapper/rl-root 70G 21G 50G 30% /", "short line"]
    facts = guest.disks(lines)
    assert (facts["DISK_CAP"], facts["DISK_USAGE_RATE"], facts["SECOND_DISK_CAP"]) == ("70G", "30%", "N/A")
    assert facts["blk"] == lines


def test_the_last_line_counts() -> None:
    lines = ["Filesystem …", "/dev/mapper/rl-root 1G 1G 1G 1% /", "/dev/mapper/rl-root 2G 1G 1G 1% /again"]
    assert guest.disks(lines)["DISK_CAP"] == "2G"
