"""init-pcs-cluster and the actions it is made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ProgramMissing
from tests.contract.hosts.gfs.conftest import ADDRESSES, LVM_CONF, GfsCluster
from tests.support.answer import Answer
from tests.support.shared_storage import Disk

PASSWORD_FILE = "etc/ablestack/pcs_password"


def init(cluster: GfsCluster, **more: Any) -> Answer:
    return cluster.post({"action": "init-pcs-cluster", **more})


def stored(cluster: GfsCluster, number: int = 0) -> str:
    return (cluster.nodes[number].root / PASSWORD_FILE).read_text().strip()


def test_a_fresh_cluster_as_the_wizard_of_0_1_2_asks_for_it(cluster: GfsCluster) -> None:
    answer = init(cluster)
    assert answer.status == 200, answer.body
    assert answer.body["val"] == {
        "message": "Init PCS Cluster Success",
        "cluster_name": "cloudcenter_cluster",
        "hosts": ADDRESSES,
    }
    told = [(entry["step"], entry["target"], entry["code"], entry["message"]) for entry in answer.body["results"]]
    assert told == [
        *[("modify_lvm_conf", address, 200, "ok") for address in ADDRESSES],
        *[("set_cluster_password", address, 200, "ok") for address in ADDRESSES],
        ("auth_hosts", ADDRESSES[0], 200, "ok"),
        ("setup_cluster", ADDRESSES[0], 200, "ok"),
    ]
    assert answer.body["results"][-2]["val"] == {"authenticated": ADDRESSES}
    last = answer.body["results"][-1]["val"]
    assert last == {"cluster_name": "cloudcenter_cluster", "hosts": ADDRESSES, "enabled": True, "status": "Cluster Status:"}
    assert cluster.storage.nodes == ADDRESSES


def test_old_name_of_the_action(cluster: GfsCluster) -> None:
    answer = cluster.post({"action": " INIT "})
    assert (answer.status, answer.body["action"]) == (200, "init-pcs-cluster")


def test_the_password_is_generated_not_a_fixed_one(cluster: GfsCluster) -> None:
    assert init(cluster).status == 200
    password = stored(cluster)
    assert len(password) >= 24
    assert [stored(cluster, number) for number in range(3)] == [password] * 3
    assert [machine.passwords for machine in cluster.machines] == [{"hacluster": password}] * 3
    assert (cluster.nodes[0].root / PASSWORD_FILE).stat().st_mode & 0o777 == 0o600


def test_a_stored_password_is_used_again_and_one_that_is_given_wins(cluster: GfsCluster) -> None:
    (cluster.nodes[0].root / PASSWORD_FILE).write_text("configured by the operator\n")
    assert init(cluster).status == 200
    assert cluster.machines[2].passwords == {"hacluster": "configured by the operator"}
    assert init(cluster, cluster_password="given: here", cluster_user="pcsuser").status == 200
    assert cluster.machines[1].passwords["pcsuser"] == "given: here"
    assert stored(cluster, 1) == "given: here"


def test_no_password_in_a_command_line_an_answer_a_job_or_a_log(
    cluster: GfsCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = "very-secret-cluster-password"
    cluster.machines[0].breaks("pcs cluster setup")
    answers = [init(cluster, cluster_password=secret), init(cluster, cluster_password=secret)]
    assert [answer.status for answer in answers] == [502, 200]
    jobs = cluster.nodes[0].call("GET", "/jobs").body
    logs = [path.read_text() for node in cluster.nodes for path in (node.root / "var/log/ablestack").iterdir()]
    assert not [text for text in [*cluster.programs(), str(answers), str(jobs), caplog.text, *logs] if secret in text]
    assert f"{secret}\n" in cluster.machines[0].stdin, "pcs host auth asks for it"


def test_bad_names(cluster: GfsCluster) -> None:
    for body, message in (
        ({"cluster_name": "a:b"}, "invalid cluster_name"),
        ({"cluster_name": "-x"}, "invalid cluster_name"),
        ({"cluster_name": "x" * 33}, "invalid cluster_name"),
        ({"cluster_user": "a:b"}, "invalid cluster_user"),
        ({"cluster_user": "root"}, "invalid cluster_user"),
        ({"cluster_user": "-p"}, "invalid cluster_user"),
        ({"disks": ["/dev/sdb"]}, "volume_groups or vg_name/lv_name required when disks are provided"),
    ):
        answer = init(cluster, **body)
        assert (answer.status, answer.body["message"]) == (400, message), body
    answer = init(cluster, cluster_password="a\nb")
    assert answer.status == 400
    assert "invalid cluster_password" in answer.body["message"]
    assert cluster.machines[0].passwords == {}


def test_a_cluster_that_serves_is_not_destroyed_unasked(ready: GfsCluster) -> None:
    before = ready.storage.state()
    answer = init(ready)
    assert answer.status == 409
    assert "a cluster with" in answer.body["message"]
    assert (answer.body["force"], "resource glue-dlm" in answer.body["reasons"]) == (True, True)
    assert ready.storage.state() == before
    assert not [line for line in ready.programs() if "destroy" in line or "stop" in line]


def test_force_destroys_it(ready: GfsCluster) -> None:
    answer = init(ready, force=True, cluster_name="new_one")
    assert answer.status == 200, answer.body
    assert "glue-dlm" not in ready.storage.cib
    assert ready.machines[0].commands("pcs")[1:4] == ["pcs cluster stop --all", "pcs --version", "pcs cluster destroy"]
    assert all("pcs cluster destroy" in machine.commands("pcs") for machine in ready.machines)


def test_an_empty_cluster_is_rebuilt(cluster: GfsCluster) -> None:
    """What a set-up that stopped half-way leaves behind."""
    cluster.run_cluster()
    assert init(cluster).status == 200


def test_a_cluster_that_does_not_stop(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    cluster.machines[0].breaks("pcs cluster stop")
    answer = init(cluster)
    assert (answer.status, "the cluster was not destroyed" in answer.body["message"]) == (502, True)
    assert cluster.storage.nodes == ADDRESSES
    cluster.machines[0].breaks("pcs cluster stop")
    assert init(cluster, force=True).status == 200


@pytest.mark.parametrize("program", ["pcs cluster setup", "pcs cluster enable", "pcs cluster status"])
def test_a_half_set_up_cluster_is_taken_down(cluster: GfsCluster, program: str) -> None:
    cluster.machines[0].breaks(program, afterwards=True)
    answer = init(cluster)
    assert answer.status == 502
    assert cluster.storage.nodes == []
    assert [entry["step"] for entry in answer.body["results"]][-1] == "auth_hosts", "what was done is told"


def test_a_node_that_does_not_join(cluster: GfsCluster) -> None:
    cluster.machines[0].offline = {ADDRESSES[2]}
    answer = init(cluster)
    assert answer.status == 504
    assert "the new cluster did not come up after 120 s: not online: 10.10.31.3" in answer.body["message"]
    assert cluster.storage.nodes == []


def test_a_node_whose_password_cannot_be_set(cluster: GfsCluster) -> None:
    cluster.machines[1].breaks("systemctl enable")
    answer = init(cluster)
    assert answer.status == 502
    assert f"set_cluster_password failed: {ADDRESSES[1]}" in answer.body["message"]
    told = {(entry.get("step"), entry["target"], entry["outcome"]) for entry in answer.body["results"]}
    assert ("modify_lvm_conf", ADDRESSES[2], "ok") in told
    assert (None, ADDRESSES[1], "failed") in told


def test_old_volumes_are_cleared_where_asked(ready: GfsCluster) -> None:
    assert ready.create().status == 200
    ready.storage.vgs["vg_other"] = ""
    answer = init(ready, force=True, disks=["/dev/sdb"], vg_name="vg_glue", lv_name="lv_glue")
    assert answer.status == 200, answer.body
    assert ready.storage.vgs == {"vg_other": ""}
    assert (ready.storage.pvs, ready.storage.disks["/dev/sdb"].partition) == ({}, 0)
    steps = list(dict.fromkeys(entry["step"] for entry in answer.body["results"]))
    assert steps == ["reset_lvm_conf", "partprobe", "modify_lvm_conf", "set_cluster_password", "auth_hosts", "setup_cluster"]


def test_disks_of_others_are_never_cleared(ready: GfsCluster) -> None:
    assert ready.create().status == 200
    body = {"vg_name": "vg_glue", "lv_name": "lv_glue", "force": True, "disks": ["/dev/sdb", "/dev/sdc"]}
    for columns, reason in (
        ({"mountpoints": ["/"], "fstype": "xfs"}, "it holds the running system"),
        ({"mountpoints": ["/data"], "fstype": "xfs"}, "is mounted at /data"),
        ({"fstype": "ceph_bluestore"}, "Ceph OSD"),
    ):
        ready.storage.disks["/dev/sdc"] = Disk(columns=columns)
        before = ready.storage.state()
        answer = init(ready, **body)
        assert (answer.status, reason in answer.body["message"]) == (409, True), answer.body
        assert ready.storage.state() == before
    ready.storage.disks["/dev/sdc"] = Disk(label="gpt", partition=5)
    ready.storage.pvs["/dev/sdc1"] = ["u", "vg_precious"]
    assert "physical volume of vg_precious, which was not named" in init(ready, **body).body["message"]


def test_other_volumes_of_a_named_group(ready: GfsCluster) -> None:
    assert ready.create().status == 200
    ready.storage.lvs["vg_glue", "precious"] = 5
    # The cluster's resources are forced away by nobody here.
    answer = init(ready, disks=["/dev/sdb"], volume_groups=[{"vg_name": "vg_glue", "lv_name": "lv_glue"}])
    assert answer.status == 409


def test_the_plan(cluster: GfsCluster) -> None:
    answer = cluster.post({"action": "init-pcs-cluster"}, query="?plan=true")
    assert [step["step"] for step in answer.body["val"]["steps"]] == [
        "destroy_cluster",
        "modify_lvm_conf",
        "set_cluster_password",
        "auth_hosts",
        "setup_cluster",
    ]
    assert cluster.storage.nodes == []


def test_lvm_conf_is_edited_and_kept(cluster: GfsCluster) -> None:
    path = cluster.nodes[1].root / "etc/lvm/lvm.conf"
    answer = cluster.post({"action": "modify-lvm-conf"})
    assert (answer.status, answer.body["val"], answer.body["target"]) == (200, "ok", "fanout")
    assert {entry["val"] for entry in answer.body["results"]} == {"Modify Lvm Conf Success"}
    expected = LVM_CONF.replace("\tuse_lvmlockd = 0\t", "\tuse_lvmlockd = 1 ").replace(
        "\t# use_devicesfile = 0\n", "\t# use_devicesfile = 0\n\tuse_devicesfile = 1\n"
    )
    assert path.read_text() == expected
    assert Path(f"{path}.before-ablestack").read_text() == LVM_CONF
    assert cluster.post({"action": "modify-lvm-conf", "use_lvmlockd": False}).status == 200
    assert "\tuse_lvmlockd = 0 # locks" in path.read_text()
    assert "\tuse_devicesfile = 0\n" in path.read_text()
    assert Path(f"{path}.before-ablestack").read_text() == LVM_CONF


def test_lvm_conf_is_put_back_when_multipath_cannot_be_switched_on(cluster: GfsCluster) -> None:
    cluster.machines[0].breaks("mpathconf")
    answer = cluster.local({"action": "modify-lvm-conf"})
    assert (answer.status, "was put back" in answer.body["message"]) == (502, True)
    assert (cluster.nodes[0].root / "etc/lvm/lvm.conf").read_text() == LVM_CONF


@pytest.mark.parametrize("starts", [True, False])
def test_multipath_without_mpathconf(cluster: GfsCluster, starts: bool) -> None:
    """Debian has none: our settings, and multipathd, are what EL's mpathconf brings. Both or nothing."""
    machine, settings = cluster.machines[0], cluster.nodes[0].root / "etc/multipath/conf.d/ablestack.conf"
    machine.breaks("mpathconf", ProgramMissing("no mpathconf", program="mpathconf", package="device-mapper-multipath"))
    if not starts:
        machine.breaks("systemctl enable")
    assert cluster.local({"action": "modify-lvm-conf"}).status == (200 if starts else 502)
    assert settings.exists() == starts
    assert machine.commands("systemctl") == ["systemctl enable --now -- multipathd.service"]


def test_lvm_conf_is_put_back_when_lvm_does_not_take_it(cluster: GfsCluster) -> None:
    path = cluster.nodes[0].root / "etc/lvm/lvm.conf"

    def override() -> None:
        path.write_text(path.read_text() + "global {\n use_lvmlockd = 0\n}\n")

    cluster.machines[0].during("lvmconfig", override)
    answer = cluster.local({"action": "modify-lvm-conf"})
    assert (answer.status, "something else sets it" in answer.body["message"]) == (409, True)
    assert path.read_text() == LVM_CONF


def test_a_password_is_sent_only_where_it_is_needed(cluster: GfsCluster) -> None:
    assert init(cluster, cluster_password="given", stonith=[{"ipaddr": "10.0.0.1", "passwd": "fence"}]).status == 200
    sent = [json.loads(str(call.body)) for call in cluster.network.calls]
    assert {body["action"] for body in sent if body["cluster_password"]} == {"set-cluster-password"}
    assert {str(body["stonith"]) for body in sent} == {"[]"}
