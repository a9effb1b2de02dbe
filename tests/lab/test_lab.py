"""The lab itself: its switches really switch, its services really serve, and it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.lab import cli, first_apply, identity, lifecycle, machine, paths, profile, state, status
from tests.lab.command import run
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.profile import Ceph, Pacemaker
from tests.lab.services import ceph, cloud_center, database, pacemaker

pytestmark = pytest.mark.lab

ALWAYS_ON = ("ssh", "chrony", "cron", "atd", "NetworkManager", "ablestack-api")
# Two clocks of one machine never differ, but a busy one answers late.
KNOWN_WARNINGS = frozenset({"MON_CLOCK_SKEW", "SLOW_OPS"})


def _ping(address: str) -> list[str]:
    return ["ping", "-c", "1", "-W", "1", address]


def _pings(lab: Lab, node: str, address: str) -> bool:
    return lab.run(node, _ping(address), ok=None).code == 0


def _wait_for(lab: Lab, node: str, test: list[str], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while lab.run(node, test, ok=None).code != 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _pacemaker(lab: Lab) -> Pacemaker:
    if lab.profile.pacemaker is None or pacemaker.NAME not in state.read(lab.profile.name).services:
        pytest.skip(f"no Pacemaker in this lab ({lab.profile.name})")
    return lab.profile.pacemaker


def _ceph(lab: Lab) -> Ceph:
    if lab.profile.ceph is None or ceph.NAME not in state.read(lab.profile.name).services:
        pytest.skip(f"no Ceph in this lab ({lab.profile.name})")
    return lab.profile.ceph


def test_every_node_runs_and_its_daemon_answers(lab: Lab) -> None:
    shown = status.collect(lab)
    assert shown.is_up
    assert {node.product for node in shown.nodes} == {"active"}
    assert lab.api("cube1", "GET", "/health").status < 500


@pytest.mark.parametrize("unit", ALWAYS_ON)
def test_a_unit_is_active_on_every_node(lab: Lab, unit: str) -> None:
    states = {name: lab.run(name, ["systemctl", "is-active", unit], ok=None).stdout.strip() for name in lab.machines}
    assert set(states.values()) == {"active"}, states


def test_networkmanager_holds_the_addresses(lab: Lab) -> None:
    shown = lab.run("cube1", ["nmcli", "-g", "IP4.ADDRESS", "device", "show", "mgmt0"]).stdout.strip()
    assert shown == f"{lab.node('cube1').management}/24"


def test_a_node_accepts_ssh_connections_of_another(lab: Lab) -> None:
    scanned = lab.run("cube1", ["ssh-keyscan", "-T", "5", "-t", "ed25519", lab.node("ccvm").management])
    assert "ssh-ed25519" in scanned.stdout


def test_a_node_cannot_set_the_clock_of_this_machine(lab: Lab) -> None:
    setting = ["python3", "-c", "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())"]
    as_a_unit = ["systemd-run", "--collect", "--wait", "--pipe", "-q", *setting]
    assert "Operation not permitted" in lab.run("cube1", setting, ok=None).stderr
    assert "Operation not permitted" in lab.run("cube1", as_a_unit, ok=None).stderr


def test_a_cut_network_carries_nothing_and_the_others_do(lab: Lab) -> None:
    peer = lab.node("ccvm" if lab.profile.name == "standalone" else "cube2")
    other = [str(address) for name, address in peer.addresses.items() if name == "storage"]
    lab.cut("cube1", "management")
    assert not _pings(lab, "cube1", peer.management)
    assert all(_pings(lab, "cube1", address) for address in other)
    with pytest.raises(OSError, match=r"timed out|No route"):
        lab.api("cube1", "GET", "/health", timeout=1.0)
    lab.heal("cube1", "management")
    assert _wait_for(lab, "cube1", _ping(peer.management), 15.0)
    assert lab.api("cube1", "GET", "/health").status < 500


def test_a_node_cut_off_everywhere_reaches_nobody_until_healed(lab: Lab) -> None:
    peer = lab.node("ccvm" if lab.profile.name == "standalone" else "cube2")
    lab.cut("cube1")
    shown = {node.name: node.cut_networks for node in status.collect(lab).nodes}
    assert sorted(shown["cube1"]) == sorted(lab.node("cube1").addresses)
    assert not any(_pings(lab, "cube1", str(address)) for address in peer.addresses.values())
    lab.heal("cube1")
    assert _wait_for(lab, "cube1", _ping(peer.management), 15.0)


def test_a_network_that_a_node_is_not_on_is_an_error(lab: Lab) -> None:
    with pytest.raises(LabError, match="is not on network 'storage'"):
        lab.cut("ccvm", "storage")


def test_a_killed_node_is_gone_and_boots_with_its_disk(lab: Lab) -> None:
    lab.run("ccvm", ["sh", "-c", "echo kept > /root/kept; sync"])
    before = lab.run("ccvm", ["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    lab.kill("ccvm")
    assert not _pings(lab, "cube1", lab.node("ccvm").management)
    with pytest.raises(LabError, match="ccvm is off"):
        lab.run("ccvm", ["true"])
    with pytest.raises(LabError, match="ccvm is off already"):
        lab.kill("ccvm")
    lab.boot("ccvm")
    assert lab.run("ccvm", ["cat", "/root/kept"]).stdout == "kept\n"
    assert lab.run("ccvm", ["cat", "/proc/sys/kernel/random/boot_id"]).stdout != before
    assert _pings(lab, "cube1", lab.node("ccvm").management)


def test_a_clock_moves_for_one_unit_of_one_node(lab: Lab) -> None:
    for node in ("cube1", "ccvm"):
        lab.run(node, ["at", "now", "+", "2", "days"], stdin="touch /root/from-the-future\n")
    lab.clock("cube1", "atd", timedelta(days=3))
    assert _wait_for(lab, "cube1", ["test", "-e", "/root/from-the-future"], 15.0)
    assert lab.run("ccvm", ["test", "-e", "/root/from-the-future"], ok=None).code == 1
    assert abs(float(lab.run("cube1", ["date", "+%s"]).stdout) - time.time()) < 5
    cron = lab.run("cube1", ["systemctl", "show", "-P", "Environment", "cron"]).stdout
    assert "FAKETIME" not in cron
    lab.clock("cube1", "atd", None)
    assert "FAKETIME" not in lab.run("cube1", ["systemctl", "show", "-P", "Environment", "atd"]).stdout


@pytest.mark.parametrize("days", [400, -30])
def test_the_daemon_lives_at_another_date_on_one_node(lab: Lab, days: int) -> None:
    lab.clock("cube1", "ablestack-api", timedelta(days=days))
    lifecycle.wait_answering(lab)
    dates = {name: parsedate_to_datetime(lab.api(name, "GET", "/health").headers["Date"]) for name in ("cube1", "ccvm")}
    assert abs(dates["cube1"] - dates["ccvm"] - timedelta(days=days)) < timedelta(seconds=10)


def test_the_reset_product_is_as_installed(fresh_lab: Lab) -> None:
    untouched = fresh_lab.run("cube1", ["cat", "/etc/hosts", "/etc/ablestack/properties/cluster.json"]).stdout
    fresh_lab.run("cube1", ["sh", "-c", "echo x > /etc/ablestack/stray; echo x > /var/lib/ablestack/stray"])
    first_apply.apply(fresh_lab)
    fresh_lab.reset_product("cube1")
    lifecycle.wait_answering(fresh_lab)
    assert fresh_lab.run("cube1", ["find", "/etc/ablestack", "/var/lib/ablestack", "-name", "stray"]).stdout == ""
    now = fresh_lab.run("cube1", ["cat", "/etc/hosts", "/etc/ablestack/properties/cluster.json"]).stdout
    assert now == untouched
    modes = fresh_lab.run("cube1", ["stat", "-c", "%a", "/etc/ablestack/auth.json", "/etc/ablestack/ablestack-api.env"])
    assert modes.stdout.split() == ["600", "644"]


def test_the_database_answers_and_can_be_dumped(lab: Lab) -> None:
    if lab.profile.database is None:
        pytest.skip("no database in this lab")
    held = lab.machine(lab.profile.database)
    assert database.count(held, "vm_instance") == 200
    dump = held.run(["mysqldump", "-uroot", f"-p{database.PASSWORD}", "--databases", "cloud"]).stdout
    assert "CREATE TABLE `volumes`" in dump


def test_pacemaker_has_quorum_with_every_member(lab: Lab) -> None:
    cluster = _pacemaker(lab)
    first = lab.machine(cluster.members[0])
    pacemaker.wait_online(first, len(cluster.members))
    assert sorted(pacemaker.online(first)) == sorted(pacemaker.member_names(lab.profile, cluster).values())


def test_ceph_is_healthy_with_an_osd_for_every_storage_vm(lab: Lab) -> None:
    cluster = _ceph(lab)
    first = lab.machine(cluster.members[0])
    ceph.wait_healthy(first, KNOWN_WARNINGS)
    assert ceph.osds_up(first) == len(cluster.members)


def test_pacemaker_runs_the_cloud_vm_on_one_host(lab: Lab) -> None:
    cluster = _pacemaker(lab)
    host = cloud_center.wait_started(lab.machine(cluster.members[0]))
    hosts = {address: name for name, address in pacemaker.member_names(lab.profile, cluster).items()}
    states = {name: lab.run(name, ["virsh", "domstate", "ccvm"], ok=None).stdout.strip() for name in cluster.members}
    assert [name for name, text in states.items() if text == "running"] == [hosts[host]]


def test_the_cloud_vm_has_its_disk_in_ceph(lab: Lab) -> None:
    _ceph(lab)
    cluster = _pacemaker(lab)
    host = cloud_center.wait_started(lab.machine(cluster.members[0]))
    watchers = json.loads(lab.run("scvm1", ["rbd", "status", "rbd/ccvm", "--format=json"]).stdout)["watchers"]
    assert [watcher["address"].partition(":")[0] for watcher in watchers] == [host]


def test_pacemaker_starts_the_cloud_vm_elsewhere_when_its_host_loses_power(lab: Lab) -> None:
    cluster = _pacemaker(lab)
    hosts = {address: name for name, address in pacemaker.member_names(lab.profile, cluster).items()}
    lost = hosts[cloud_center.wait_started(lab.machine(cluster.members[0]))]
    witness = lab.machine(next(name for name in cluster.members if name != lost))
    lab.kill(lost)
    pacemaker.wait_online(witness, len(cluster.members) - 1)
    address = pacemaker.member_names(lab.profile, cluster)[lost]
    assert cloud_center.wait_started(witness, away_from=address) != address
    lab.boot(lost)
    pacemaker.wait_online(witness, len(cluster.members))


def test_the_layers_of_the_services_know_neither_product_nor_cluster(lab: Lab) -> None:
    layers = Path(state.read(lab.profile.name).layers)
    if layers == Path():
        pytest.skip("the services of this lab were set up on running nodes")
    definition = Path(cloud_center.CONFIGURATION).relative_to("/") / cloud_center.DEFINITION
    for node in lab.profile.nodes.values():
        layer = layers / node.name
        written = {path.relative_to(layer) for path in layer.rglob("*") if not path.is_dir()}
        assert {path for path in written if "ablestack" in str(path)} <= {definition}, node.name
        assert (layer / "etc/hosts").read_text(encoding="ascii") == identity.files(node)["etc/hosts"]


def _other(lab: Lab) -> profile.Profile:
    """A small profile that is not the one the tests run on."""
    return profile.load("vm" if lab.profile.name == "standalone" else "standalone")


def test_down_finds_everything_without_its_records(running_lab: Lab) -> None:
    other, own_links = _other(running_lab), run(["ip", "-j", "address"]).stdout
    lifecycle.up(other, "none", print)
    (paths.run_folder(other.name) / "state.json").unlink()
    os.kill(machine.supervisors(f"ablab-{other.name}-cube1")[f"ablab-{other.name}-cube1"], signal.SIGKILL)
    lifecycle.down(other.name)
    assert lifecycle.leftovers(other.name) == []
    assert not paths.run_folder(other.name).exists()
    assert not paths.disks_folder(other.name).exists()
    assert json.loads(own_links) == json.loads(run(["ip", "-j", "address"]).stdout)
    lifecycle.down(other.name)


def test_an_interrupted_start_cleans_up(running_lab: Lab) -> None:
    other = _other(running_lab)
    # Tests that were started in the background inherit an ignored SIGINT, and so would this program.
    argv = ["env", "--default-signal=INT", sys.executable, "-m", "tests.lab", "up", "--profile", other.name]
    started = subprocess.Popen(argv, cwd=paths.SOURCE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not machine.supervisors(f"ablab-{other.name}-") and time.monotonic() < deadline:
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    assert started.wait(timeout=90) == cli.INTERRUPTED
    assert lifecycle.leftovers(other.name) == []


def test_it_says_in_one_line_why_it_cannot_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert cli.main(["up", "--profile", "standalone"]) == cli.CANNOT_RUN
    assert capsys.readouterr().err.splitlines() == [
        "lab: cannot run here: the lab needs root: it makes namespaces, mounts and machines"
    ]
