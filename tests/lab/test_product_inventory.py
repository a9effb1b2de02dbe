"""What a real host tells of its disks, its network cards and its Pacemaker: the same as the programs themselves."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.lab import first_apply
from tests.lab.cluster import hosts
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("product_as_new")]

RESOURCES = "/api/v1/cube/gfs/resource/status"


def ask(lab: Lab, node: str, path: str) -> Any:
    reply = lab.api(node, "GET", path, token=first_apply.log_in(lab, node))
    assert reply.status == 200, reply.text
    return reply.json()


def printed(lab: Lab, node: str, *argv: str) -> str:
    return lab.run(node, list(argv)).stdout


def test_network_cards(cluster_lab: Lab) -> None:
    links = json.loads(printed(cluster_lab, "cube1", "ip", "-d", "-j", "address", "show"))
    answer = ask(cluster_lab, "cube1", "/api/v1/cube/nics?action=detail&refresh=true")
    told = {nic["DEVICE"]: nic for group in ("bridges", "ethernets", "bonds", "others") for nic in answer.get(group, ())}
    assert set(told) == {link["ifname"] for link in links}
    for link in links:
        nic = told[link["ifname"]]
        addresses = [entry["local"] for entry in link["addr_info"] if entry["family"] == "inet"]
        assert [entry["ADDRESS"] for entry in nic["IPV4"].get("ADDRESSES", ())] == addresses
        assert nic.get("MAC") == link.get("address")
        assert nic.get("MTU") == link["mtu"]


def test_network_cards_as_networkmanager_has_them(cluster_lab: Lab) -> None:
    lines = printed(cluster_lab, "cube1", "nmcli", "-t", "-f", "DEVICE,TYPE,STATE", "device", "status").splitlines()
    answer = ask(cluster_lab, "cube1", "/api/v1/cube/nics?refresh=true")
    told = {
        (nic["DEVICE"], nic["TYPE"], nic["STATE"])
        for group in ("bridges", "ethernets", "bonds", "others")
        for nic in answer.get(group, ())
    }
    assert told == {tuple(line.split(":")[:3]) for line in lines}


def test_disks(cluster_lab: Lab) -> None:
    devices = json.loads(printed(cluster_lab, "cube1", "lsblk", "-J", "-b", "-o", "name,type"))["blockdevices"]
    answer = ask(cluster_lab, "cube1", "/api/v1/cube/disk?refresh=true")
    assert {device["name"] for device in answer["blockdevices"]} <= {device["name"] for device in devices}
    assert "refresh_time" in answer


def test_pacemaker(cluster_lab: Lab) -> None:
    if len(hosts(cluster_lab)) < 2:
        pytest.skip("no Pacemaker in this profile")
    root = ET.fromstring(printed(cluster_lab, "cube1", "crm_mon", "--one-shot", "--inactive", "--output-as=xml"))
    value = ask(cluster_lab, "cube1", f"{RESOURCES}?refresh=true")["val"]
    assert [node["name"] for node in value["nodes_info"]] == [node.get("name") for node in root.iterfind("nodes/node")]
    assert value["resources"]["glue_locking_resources"] == []


def test_a_host_without_gfs2_says_so(cluster_lab: Lab) -> None:
    reply = cluster_lab.api("cube1", "GET", "/api/v1/cube/gfs/disk/status", token=first_apply.log_in(cluster_lab))
    assert (reply.status, reply.json()["type"]) == (500, "urn:ablestack:error:not_set_up")


def test_the_cluster_password_reaches_every_node_and_no_command_line(cluster_lab: Lab) -> None:
    if len(hosts(cluster_lab)) < 2:
        pytest.skip("no Pacemaker in this profile")
    body = {"action": "set-cluster-password", "cluster_password": "invented-for-the-lab"}
    token = first_apply.log_in(cluster_lab)
    reply = cluster_lab.api("cube1", "POST", "/api/v1/cube/gfs/manage", body, token=token)
    assert reply.status == 200, reply.text
    for node in hosts(cluster_lab):
        stored = printed(cluster_lab, node, "stat", "-c", "%a", "/etc/ablestack/pcs_password").strip()
        assert stored == "600"
        journal = printed(cluster_lab, node, "journalctl", "-u", "ablestack-api", "--no-pager")
        assert "invented-for-the-lab" not in journal + reply.text
