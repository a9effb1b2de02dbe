"""cloud-init's documents, held against its own schema and, where it is here, against itself (contract 03 §15.3)."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ablestack_api.cloudinit import documents
from ablestack_api.cloudinit.documents import Guest, GuestFile, Nic

DATA = Path(__file__).parents[2] / "data/cloud_init"
UNPACKED = os.environ.get("ABLESTACK_TEST_CLOUD_INIT", "")
NICS = (
    Nic("enp0s20", "10.10.31.11/16", "10.10.0.1", ("10.10.0.2", "10.10.0.3")),
    Nic("enp0s21", "100.100.31.11/24", mtu=9000),
)
GUEST = Guest(
    hostname="scvm1",
    nics=NICS,
    public_key="ssh-rsa AAAA root@ablecube31-1",
    password_hash="$6$salt$hash",
    files=(
        GuestFile("/root/.ssh/id_rsa", b"\x00\xffprivate\n", "0600"),
        GuestFile("/var/lib/ceph/.ssh/id_rsa", b"private", "0600", "ceph:ceph"),
    ),
    ceph=True,
    bootcmd=(["/usr/bin/systemctl", "enable", "--now", "cockpit.socket"],),
    runcmd=(["/usr/bin/sh", "-c", "true"],),
)


def program() -> tuple[list[str], dict[str, str]]:
    """How cloud-init is started here; skips when it is not."""
    if UNPACKED:
        modules = str(Path(UNPACKED) / "usr/lib/python3/dist-packages")
        return ["/usr/bin/python3", str(Path(UNPACKED) / "usr/bin/cloud-init")], {"PYTHONPATH": modules}
    if shutil.which("cloud-init") is None:
        pytest.skip("cloud-init is not here (see tests/data/cloud_init/README.md)")
    return ["cloud-init"], {}


def user_data(**changes: Any) -> dict[str, Any]:
    text = documents.user_data(Guest(**{**GUEST.__dict__, **changes}))
    assert text.startswith("#cloud-config\n")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.mark.parametrize("ceph", [True, False])
@pytest.mark.parametrize("commands", [True, False])
def test_the_schema_accepts_it(ceph: bool, commands: bool) -> None:
    schema = json.loads((DATA / "user_data_schema.json").read_text())
    more: dict[str, Any] = {} if commands else {"bootcmd": (), "runcmd": ()}
    jsonschema.Draft4Validator(schema).validate(user_data(ceph=ceph, **more))


def test_the_schema_would_notice() -> None:
    schema = json.loads((DATA / "user_data_schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate(user_data() | {"write_files": [{"content": "x"}]})


def test_cloud_init_itself_accepts_it(tmp_path: Path) -> None:
    argv, more = program()
    (tmp_path / "user-data").write_text(documents.user_data(GUEST))
    done = subprocess.run(
        [*argv, "schema", "--config-file", str(tmp_path / "user-data")],
        env={**os.environ, **more}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_cloud_init_itself_makes_els_network_files_of_it(tmp_path: Path) -> None:
    _, more = program()
    (tmp_path / "network-config").write_text(documents.network_config(NICS))
    script = (
        "import sys, yaml\n"
        "from cloudinit.distros.rhel import Distro\n"
        "from cloudinit.net import network_state, sysconfig\n"
        "config = yaml.safe_load(open(sys.argv[1] + '/network-config'))['network']\n"
        "state = network_state.parse_net_config_data(config, skip_broken=False)\n"
        "sysconfig.Renderer(Distro.renderer_configs['sysconfig']).render_network_state(state, target=sys.argv[1])\n"
    )
    environ = {**os.environ, **more}
    subprocess.run(["/usr/bin/python3", "-c", script, str(tmp_path)], env=environ, check=True, capture_output=True)
    folder = tmp_path / "etc/sysconfig/network-scripts"
    management, storage = ((folder / f"ifcfg-{nic.name}").read_text().splitlines() for nic in NICS)
    assert {"IPADDR=10.10.31.11", "NETMASK=255.255.0.0", "GATEWAY=10.10.0.1", "DNS1=10.10.0.2", "DNS2=10.10.0.3"} <= set(
        management
    )
    assert {"IPADDR=100.100.31.11", "MTU=9000"} <= set(storage)
    assert not any(line.startswith("GATEWAY") for line in storage)


def test_no_password_is_plain_and_ceph_has_none() -> None:
    """Weakness 37."""
    users = {user["name"]: user for user in user_data()["users"]}
    assert [*users] == ["ceph", "ablecloud", "root"]
    assert {key for user in users.values() for key in user if "passwd" in key} == {"lock_passwd", "hashed_passwd"}
    assert users["ceph"]["lock_passwd"] is True
    assert "hashed_passwd" not in users["ceph"]
    assert users["root"]["hashed_passwd"] == users["ablecloud"]["hashed_passwd"] == "$6$salt$hash"
    assert user_data()["ssh_pwauth"] is False
    assert user_data(ssh_pwauth=True)["ssh_pwauth"] is True


def test_only_hci_has_the_account_ceph() -> None:
    assert [user["name"] for user in user_data(ceph=False)["users"]] == ["ablecloud", "root"]


def test_files_of_accounts_are_written_after_the_accounts() -> None:
    files = user_data()["write_files"]
    assert [(file["owner"], file.get("defer", False)) for file in files] == [("root:root", False), ("ceph:ceph", True)]


def test_network_version_2() -> None:
    config = yaml.safe_load(documents.network_config(NICS))["network"]
    assert config["version"] == 2
    assert config["ethernets"]["enp0s20"] == {
        "dhcp4": False,
        "dhcp6": False,
        "addresses": ["10.10.31.11/16"],
        "routes": [{"to": "0.0.0.0/0", "via": "10.10.0.1"}],
        "nameservers": {"addresses": ["10.10.0.2", "10.10.0.3"]},
    }
    assert config["ethernets"]["enp0s21"]["mtu"] == 9000
    assert "routes" not in config["ethernets"]["enp0s21"]


def test_a_way_out_over_ipv6() -> None:
    config = yaml.safe_load(documents.network_config([Nic("enp0s20", "fd00::10/64", "fd00::1")]))["network"]
    assert config["ethernets"]["enp0s20"]["routes"] == [{"to": "::/0", "via": "fd00::1"}]


def test_the_name_is_the_instance() -> None:
    assert yaml.safe_load(documents.meta_data("ccvm")) == {"instance-id": "ccvm", "local-hostname": "ccvm"}


@pytest.mark.parametrize("name", ["yes", "123", "null", "0x10"])
def test_a_name_that_yaml_could_take_for_something_else(name: str) -> None:
    assert yaml.safe_load(documents.meta_data(name))["local-hostname"] == name


def test_secrets_are_not_shown() -> None:
    assert "hash" not in repr(GUEST).replace("password_hash", "")
    assert "private" not in repr(GUEST)
