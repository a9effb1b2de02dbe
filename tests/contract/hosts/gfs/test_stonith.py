"""configure-stonith, check-stonith, check-ipmi, set-alert."""

import re
from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.tools import cib
from tests.contract.hosts.gfs.conftest import ADDRESSES, GfsCluster
from tests.support.answer import Answer

SECRET = "very-secret-fence-password"


def device(number: int, **more: Any) -> dict[str, Any]:
    return {"ipaddr": f"192.168.0.{number}", "login": "admin", "passwd": f"{SECRET}-{number}", **more}


def configure(cluster: GfsCluster, *devices: dict[str, Any], on: int = 0) -> Answer:
    return cluster.post({"action": "configure-stonith", "stonith": list(devices) or [device(n) for n in (1, 2, 3)]}, on=on)


def test_fence_devices_and_locks(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    answer = configure(cluster)
    assert answer.status == 200, answer.body
    assert answer.body["val"] == {
        "message": "Configure Stonith Devices Success",
        "stonithAction": "reboot",
        "clusterStatus": "Cluster Status:",
        "devices": [
            {"resource": f"fence-ablecube31-{n}", "host": f"10.10.31.{n}", "ipaddr": f"192.168.0.{n}", "action": "create"}
            for n in (1, 2, 3)
        ],
    }
    assert answer.body["target"] == "local"
    facts = cib.parse(cluster.storage.cib)
    assert [each.id for each in facts.fence_devices] == [f"fence-ablecube31-{n}" for n in (1, 2, 3)]
    assert facts.clones == {"glue-locking-clone": ("glue-locking",)}
    assert facts.groups == {"glue-locking": ("glue-dlm", "glue-lvmlockd")}
    assert facts.properties == {
        "cluster-name": "cloudcenter_cluster",
        "stonith-enabled": "true",
        "stonith-action": "reboot",
    }
    assert [(each.resource, each.node) for each in facts.locations] == [
        (f"fence-ablecube31-{n}", f"10.10.31.{n}") for n in (1, 2, 3)
    ]


def test_the_passwords_are_in_private_files_and_nowhere_else(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    cluster.machines[0].breaks("pcs cluster cib-push")
    answers = [configure(cluster), configure(cluster), configure(cluster)]
    assert [answer.status for answer in answers] == [502, 200, 200]
    for node in cluster.nodes:
        path = node.root / "etc/ablestack/fence/ablecube31-2.password"
        assert (path.read_text(), path.stat().st_mode & 0o777) == (f"{SECRET}-2\n", 0o600)
    jobs = cluster.nodes[0].call("GET", "/jobs").body
    logs = [path.read_text() for node in cluster.nodes for path in (node.root / "var/log/ablestack").iterdir()]
    told = [*cluster.programs(), *logs, str(answers), str(jobs), cluster.storage.cib]
    assert not [text for text in told if SECRET in text]
    script = cib.parse(cluster.storage.cib).primitives["fence-ablecube31-2"].options["password_script"]
    assert script == f"cat {cluster.nodes[0].root}/etc/ablestack/fence/ablecube31-2.password"


def test_what_an_older_release_gave_away_is_removed(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    assert configure(cluster).status == 200
    cluster.machines[0].run(
        ["pcs", "stonith", "update", "fence-ablecube31-1", f"password={SECRET}", "debug_file=/var/log/stonith.log"],
        timeout=5,
    )
    assert SECRET in cluster.storage.cib
    answer = configure(cluster)
    assert [entry["action"] for entry in answer.body["val"]["devices"]] == ["update"] * 3
    assert not re.search(f"{SECRET}|debug_file", cluster.storage.cib)


def test_it_can_be_repeated_and_changes_what_is_new(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    assert configure(cluster).status == 200
    before = cluster.storage.state()
    assert configure(cluster).status == 200
    assert cluster.storage.state() == before
    moved = configure(cluster, device(9, hostname="ablecube31-1", host="10.10.31.2", ipport="6230"))
    assert moved.status == 200
    facts = cib.parse(cluster.storage.cib)
    assert facts.primitives["fence-ablecube31-1"].options["ipport"] == "6230"
    assert [each.node for each in facts.locations if each.resource == "fence-ablecube31-1"] == ["10.10.31.2"]


def test_all_or_nothing(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    before = cluster.storage.state()
    for program in ("pcs -f", "crm_verify", "pcs cluster cib-push"):
        cluster.machines[0].breaks(program)
        assert configure(cluster).status == 502
        assert cluster.storage.state() == before
        left = [path for node in cluster.nodes for path in (node.root / "etc/ablestack").glob("fence/*.password")]
        assert left == []


def test_a_configuration_that_was_bad_before_is_not_ours(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    cluster.machines[0].breaks("crm_verify")
    cluster.machines[0].breaks("crm_verify")
    assert configure(cluster).status == 200


def test_a_node_that_cannot_be_reached(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    cluster.network.is_silent(ADDRESSES[1], "/cube/gfs/manage", connected=False)
    before = cluster.storage.state()
    answer = configure(cluster)
    assert answer.status == 502
    assert (answer.body["results"][1]["outcome"], answer.body["results"][2]["outcome"]) == ("unreachable", "ok")
    assert cluster.storage.state() == before


def test_without_a_cluster(cluster: GfsCluster) -> None:
    answer = configure(cluster)
    assert answer.status == 409
    assert "the PCS cluster is not ready; run init-pcs-cluster first" in answer.body["message"]


@pytest.mark.parametrize("action", ["configure-stonith", "check-ipmi"])
def test_bad_controllers(cluster: GfsCluster, action: str) -> None:
    cluster.run_cluster()
    for entry, message in (
        ([], "stonith required"),
        ([device(1, ipaddr=" ")], "stonith required"),
        ([device(1, login="")], "stonith[0] login and passwd required"),
        ([device(1), device(2, passwd="")], "stonith[1] login and passwd required"),
        ([device(1, ipaddr="-H")], "stonith[0].ipaddr: is no host name"),
        ([device(1, ipport="0")], "stonith[0].ipport: is no port number (1 to 65535)"),
        ([device(1, ipport="6x")], "stonith[0].ipport: is no port number (1 to 65535)"),
        ([device(1, login="-x")], "stonith[0].login: is no login name"),
        ([device(1, passwd="a\nb")], "stonith[0].passwd: must not hold NUL or line breaks"),
    ):
        answer = cluster.post({"action": action, "stonith": entry})
        assert (answer.status, answer.body["message"]) == (400, message)
        assert SECRET not in str(answer.body)


def test_bad_fence_hosts(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    for entries, message in (
        ([device(1, hostname="a b")], "stonith[0].hostname is invalid"),
        ([device(1, hostname="a/b")], "stonith[0].hostname is invalid"),
        ([device(1, hostname="a\nb")], "stonith[0].hostname is invalid"),
        ([device(1, host="a b")], "stonith[0].host: is no host name"),
        ([device(n) for n in (1, 2, 3, 4)], "stonith[3].host required"),
        ([device(n, host="10.0.0.1") for n in (1, 2, 3, 4)], "stonith[3].hostname required"),
        ([device(1, hostname="x"), device(2, hostname="X")], "stonith: names x more than once"),
    ):
        answer = configure(cluster, *entries)
        assert (answer.status, answer.body["message"]) == (400, message)


def test_check_stonith_shows_what_pcs_says(ready: GfsCluster) -> None:
    for body in ({}, {"control": "check"}, {"control": " CHECK "}):
        answer = ready.post({"action": "check-stonith", **body})
        assert (answer.status, answer.body["val"]) == (200, "Cluster Status:")
    ready.machines[0].breaks("pcs stonith status")
    assert ready.post({"action": "check-stonith"}).status == 502
    answer = ready.post({"action": "check-stonith", "control": "off"})
    assert (answer.status, answer.body["message"]) == (400, "unsupported stonith control")


@pytest.mark.parametrize(
    ("control", "disabled", "maintenance"),
    [
        ("disable", True, None),
        ("enable", False, None),
        ("security-disable", True, "true"),
        ("security-enable", False, "false"),
    ],
)
def test_fencing_is_switched(ready: GfsCluster, control: str, disabled: bool, maintenance: str | None) -> None:
    answer = ready.post({"action": "check-stonith", "control": control})
    assert (answer.status, answer.body["val"]) == (200, "Stonith Pcs Cluster Success")
    facts = cib.parse(ready.storage.cib)
    assert [each.disabled for each in facts.fence_devices] == [disabled] * 3
    assert facts.properties.get("maintenance-mode") == maintenance


def test_half_switched_fencing_is_switched_back(ready: GfsCluster) -> None:
    before = ready.storage.state()
    ready.machines[0].breaks("pcs stonith disable fence-ablecube31-3")
    answer = ready.post({"action": "check-stonith", "control": "security-disable"})
    assert answer.status == 502
    assert [step["outcome"] for step in answer.body["steps"]] == ["undone", "undone", "failed", "not begun"]
    assert ready.storage.state() == before


def test_switching_without_a_cluster_is_no_success(cluster: GfsCluster) -> None:
    assert cluster.post({"action": "check-stonith", "control": "disable"}).status == 409


def test_controllers_answer(cluster: GfsCluster) -> None:
    answer = cluster.post({"action": "check-ipmi", "stonith": [device(1, ipport="6230"), device(2)]})
    assert answer.status == 200
    assert answer.body["val"] == [
        {"ip": "192.168.0.1", "status": "Chassis Power is on"},
        {"ip": "192.168.0.2", "status": "Chassis Power is on"},
    ]
    commands = sorted(cluster.machines[0].commands("ipmitool"))
    assert commands[0].startswith("ipmitool -I lanplus -H 192.168.0.1 -p 6230 -U admin -f ")
    assert " -p 623 " in commands[1]
    assert not [line for line in commands if SECRET in line]
    assert sorted(cluster.machines[0].stdin) == [f"{SECRET}-1\n", f"{SECRET}-2\n"]
    assert list((cluster.nodes[0].root / "var/lib/ablestack").glob("ipmi-*")) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CommandFailed("ipmitool ended with code 1: Unable to establish IPMI v2 / RMCP+ session", exit_code=1), 502),
        (CommandTimedOut("ipmitool did not end within 20 s", program="ipmitool", seconds=20), 504),
        (ProgramMissing("the program ipmitool is not installed", program="ipmitool", package="ipmitool"), 503),
    ],
)
def test_one_controller_fails_and_all_are_told(
    cluster: GfsCluster, error: CommandFailed | CommandTimedOut | ProgramMissing, status: int
) -> None:
    cluster.machines[0].breaks("ipmitool -I lanplus -H 192.168.0.1", error)
    answer = cluster.post({"action": "check-ipmi", "stonith": [device(1), device(2)]})
    assert answer.status == status
    assert answer.body["message"].startswith("192.168.0.1: ")
    assert [(entry["ip"], entry["outcome"]) for entry in answer.body["results"]] == [
        ("192.168.0.1", "failed"),
        ("192.168.0.2", "ok"),
    ]
    assert answer.body["results"][1]["status"] == "Chassis Power is on"


def test_alerts(ready: GfsCluster) -> None:
    for node in ready.nodes:
        (node.root / "etc/ablestack/shell").mkdir()
        (node.root / "etc/ablestack/shell/alert_file.sh").write_text("#!/bin/sh\n")
    for _ in range(2):  # repeatable
        answer = ready.post({"action": "set-alert"})
        assert answer.status == 200, answer.body
        assert answer.body["val"]["setup"] == "Pcs Alert Success"
        assert [entry["target"] for entry in answer.body["val"]["prepare"]] == ADDRESSES
        assert answer.body["results"] == answer.body["val"]["prepare"]
    assert cib.parse(ready.storage.cib).alerts == {"alert_file"}
    for node in ready.nodes:
        log = node.root / "var/log/pcmk_alert_file.log"
        assert log.stat().st_mode & 0o777 == 0o600


def test_alerts_without_their_script(ready: GfsCluster) -> None:
    before = ready.storage.state()
    answer = ready.post({"action": "set-alert"})
    assert (answer.status, "alert script is not installed" in answer.body["message"]) == (409, True)
    assert ready.storage.state() == before
