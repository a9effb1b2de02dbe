"""proc/net/route and resolv.conf."""

import pytest

from ablestack_api.state import network_files

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"
GOOD = "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
DEARER = "eth1\t00000000\t0103A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
WITHOUT_GATEWAY = "ppp0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n"
NETWORK = "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        (HEAD + DEARER + NETWORK + GOOD, ("eth0", "192.168.2.1")),
        (HEAD + WITHOUT_GATEWAY + GOOD, ("ppp0", "")),
        (HEAD + NETWORK, ("", "")),
        (HEAD, ("", "")),
        ("", ("", "")),
    ],
)
def test_default_route(routes: str, found: tuple[str, str]) -> None:
    assert network_files.default_route(routes) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("# nameserver 1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n", "10.0.0.1"), ("search x\n", ""), ("nameserver", "")],
)
def test_name_server(text: str, found: str) -> None:
    assert network_files.name_server(text) == found
