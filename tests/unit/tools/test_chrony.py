"""tools.chrony: the text of chrony.conf(5)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.tools import chrony
from ablestack_api.tools.chrony import Plan

NETWORKS = ("10.10.0.0/16", "fd00::/64")
PLANS = [
    (Plan("ntp.example", ("10.10.31.1", "10.10.31.2"), NETWORKS), "internal"),
    (Plan("", ("10.10.31.2",), ()), "internal"),
    (Plan("ntp.example", (), NETWORKS), "external"),
    (Plan("", (), ()), "none"),
]


@pytest.mark.parametrize(("plan", "mode"), PLANS)
def test_the_mode(plan: Plan, mode: str) -> None:
    assert plan.mode == mode
    lines = chrony.render(plan, "/etc/chrony.conf").splitlines()
    assert ("local stratum 10 orphan" in lines) is (mode == "internal")
    assert [line for line in lines if line.startswith("allow")] == [f"allow {network}" for network in plan.networks]


def test_the_second_server_is_preferred() -> None:
    lines = chrony.render(PLANS[0][0], "/etc/chrony.conf").splitlines()
    assert [line for line in lines if line.startswith("server")] == [
        "server ntp.example iburst",
        "server 10.10.31.1 iburst minpoll 4 maxpoll 6",
        "server 10.10.31.2 prefer iburst minpoll 4 maxpoll 6",
    ]


@pytest.mark.parametrize("plan", [plan for plan, _ in PLANS])
def test_the_file_ends_with_one_newline(plan: Plan) -> None:
    text = chrony.render(plan, "/etc/chrony.conf")
    assert text.endswith("\n")
    assert "\n\n" not in text


@pytest.mark.parametrize(("folder", "place"), [(False, "etc/chrony.conf"), (True, "etc/chrony/chrony.conf")])
def test_where_the_distribution_keeps_it(tmp_path: Path, folder: bool, place: str) -> None:
    if folder:
        (tmp_path / "etc/chrony").mkdir(parents=True)
    assert chrony.config_path(Settings({"ABLESTACK_SYSROOT": str(tmp_path)})) == str(tmp_path / place)


@pytest.mark.skipif(shutil.which("chronyd", path="/usr/sbin:/usr/bin") is None, reason="chronyd is not installed")
@pytest.mark.parametrize("plan", [plan for plan, _ in PLANS])
def test_chronyd_understands_it(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "chrony.conf"
    path.write_text(chrony.render(plan, str(path)))
    program = shutil.which("chronyd", path="/usr/sbin:/usr/bin") or "chronyd"
    done = subprocess.run([program, "-p", "-f", str(path)], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
