"""A host of an HCI cluster with a Storage Center VM in libvirt's test driver, and what its guest agent answers."""

import base64
from typing import Any

from tests.support import machines
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

UUID = "5f0d1c7e-0000-4000-8000-0123456789ac"
MACS = ("00:24:81:00:00:01", "00:24:81:00:00:02", "00:24:81:00:00:03")
ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "enp0s20\t00000000\tFE000A0A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
)


def scvm_domain(**more: Any) -> str:
    nics = tuple(("bridge", mac, f"bridge{number}") for number, mac in enumerate(MACS))
    return machines.domain("scvm", **{"uuid": UUID, "disk": "/var/lib/libvirt/images/scvm.qcow2", "nics": nics, **more})


def agent_answers(agent: ScriptedAgent, *, cards: int = 3) -> None:
    """A guest with the addresses of the first host's storage VM on its first `cards` cards."""
    addresses = ("10.10.31.11", "100.100.31.11", "100.200.31.11")
    agent.answers |= {
        "guest-network-get-interfaces": [
            {"name": "lo", "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1", "prefix": 8}]},
            *(
                {
                    "name": f"enp0s{20 + number}",
                    "hardware-address": MACS[number] if number < cards else f"02:00:00:00:00:0{number}",
                    "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": address, "prefix": 16}],
                }
                for number, address in enumerate(addresses)
            ),
        ],
        "guest-get-fsinfo": [
            {"name": "vda1", "mountpoint": "/boot", "total-bytes": 2**30, "used-bytes": 2**29, "type": "xfs", "disk": []},
            {
                "name": "dm-0",
                "mountpoint": "/",
                "total-bytes": 68 * 2**30,
                "used-bytes": 17 * 2**30,
                "type": "xfs",
                "disk": [],
            },
        ],
    }
    serve_files(agent, {"/proc/net/route": ROUTES, "/etc/resolv.conf": "nameserver 10.10.0.2\n"})


def serve_files(agent: ScriptedAgent, files: dict[str, str]) -> None:
    """Files that come in pieces of 100 bytes, so that every piece has to be kept whole."""
    opened: dict[int, bytes] = {}

    def open_file(message: dict[str, Any]) -> int:
        handle = 1000 + len(opened)
        opened[handle] = files[message["arguments"]["path"]].encode()
        return handle

    def read_file(message: dict[str, Any]) -> dict[str, Any]:
        handle = message["arguments"]["handle"]
        piece, opened[handle] = opened[handle][:100], opened[handle][100:]
        return {"count": len(piece), "buf-b64": base64.b64encode(piece).decode(), "eof": not opened[handle]}

    agent.answers |= {"guest-file-open": open_file, "guest-file-read": read_file, "guest-file-close": {}}


def lay_out_machine(node: NodeUnderTest, *, template: bytes = b"QFI\xfb template") -> None:
    """Definition, template image and Ceph configuration of a host that can set its storage VM up."""
    files = {
        "etc/ablestack/vmconfig/scvm/scvm.xml": scvm_domain(memory=1).replace(f"<uuid>{UUID}</uuid>", "").encode(),
        "var/lib/libvirt/images/ablestack-template-back.qcow2": template,
        "var/lib/libvirt/images/scvm-cloudinit.iso": b"iso",
        "etc/ceph/ceph.conf": b"[global]\n",
        "etc/ceph/ceph.client.admin.keyring": b"[client.admin]\n",
    }
    for name, content in files.items():
        (node.root / name).parent.mkdir(parents=True, exist_ok=True)
        (node.root / name).write_bytes(content)
