"""SSH host keys after an apply: trusted on first sight by every host, and never replaced silently."""

from functools import partial
from pathlib import Path

import pytest

from tests.lab import first_apply
from tests.lab.cluster import apply, expect, guests, hosts, internal_token, until
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("product_as_new")]

KNOWN_HOSTS = "root/.ssh/known_hosts"
KEY = "etc/ssh/ssh_host_{}_key"
KINDS = ("rsa", "ecdsa", "ed25519")
# A server refuses connections while many ask at once; the next attempts come after 15 and 30 s.
SCAN_SECONDS = 90.0
ERRORS = "/api/v1/err"


def entries(lab: Lab, node: str) -> dict[str, set[str]]:
    """What a host trusts: name or address -> keys, each `type base64`."""
    path = lab.machine(node).root / KNOWN_HOSTS
    found: dict[str, set[str]] = {}
    for line in path.read_text(encoding="ascii").splitlines() if path.exists() else []:
        names, key = line.split(" ", 1)
        for name in names.split(","):
            found.setdefault(name, set()).add(key.strip())
    return found


def real_keys(lab: Lab, node: str) -> set[str]:
    """The host keys that a node has."""
    files = [lab.machine(node).root / f"{KEY.format(kind)}.pub" for kind in KINDS]
    return {" ".join(file.read_text(encoding="ascii").split()[:2]) for file in files}


def names_of(lab: Lab) -> dict[str, str]:
    """Every name and management address that is scanned, and the node it belongs to."""
    names = {lab.node(name).management: name for name in lab.profile.nodes}
    names |= {name: name for name in hosts(lab)} | {"ccvm": "ccvm", "ccvm-mngt": "ccvm"}
    return names | {f"{name}-mngt": name for name in guests(lab) if name != "ccvm"}


def known_everywhere(lab: Lab) -> None:
    """Wait until every host has a key for every name."""
    wanted = set(names_of(lab))
    for host in hosts(lab):
        until(partial(_knows, lab, host, wanted), f"{host} knows every node", SCAN_SECONDS)


def _knows(lab: Lab, host: str, wanted: set[str]) -> bool:
    return wanted <= set(entries(lab, host))


def test_every_host_learns_the_keys_of_all_nodes(fresh_lab: Lab) -> None:
    lab = fresh_lab
    first_apply.apply(lab)
    known_everywhere(lab)
    keys = {name: real_keys(lab, name) for name in lab.profile.nodes}
    for host in hosts(lab):
        known = entries(lab, host)
        assert not [name for name, node in names_of(lab).items() if known[name] - keys[node]], "keys of somebody else"
        assert lab.run(host, ["stat", "-c", "%a", f"/{KNOWN_HOSTS}"]).stdout.strip() == "600"
    strict = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10", "ccvm", "true"]
    refused = lab.run("cube1", strict, ok=None)
    assert "Permission denied" in refused.stderr, "the host is known; only a login key is missing"


def test_a_changed_key_is_told_and_the_old_one_stays(lab: Lab) -> None:
    if not internal_token(lab, "cube1"):
        first_apply.apply(lab)
    known_everywhere(lab)
    before = {host: entries(lab, host)["ccvm"] for host in hosts(lab)}
    kept = {path: path.read_bytes() for kind in KINDS for path in _pair(lab, kind)}
    try:
        lab.run("ccvm", ["sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh"])
        assert real_keys(lab, "ccvm").isdisjoint(before["cube1"])
        token = first_apply.log_in(lab)
        until(lambda: _starts_a_scan(lab, token), "the scan of the last apply is over, this one starts its own", poll=2.0)
        told = until(lambda: _told(lab, token), "the changed key is told in /err", SCAN_SECONDS)
        assert f"ssh-keygen -R ccvm -f /{KNOWN_HOSTS}" in told
        assert {host: entries(lab, host)["ccvm"] for host in hosts(lab)} == before
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        lab.run("ccvm", ["systemctl", "restart", "ssh"])


def _pair(lab: Lab, kind: str) -> list[Path]:
    """The files of the cloud VM's key of one kind."""
    private = lab.machine("ccvm").root / KEY.format(kind)
    return [private, private.with_name(f"{private.name}.pub")]


def _starts_a_scan(lab: Lab, token: str) -> bool:
    steps = expect(apply(lab, token))["steps"]
    return any(entry["step"].startswith("SSH host keys") and entry["outcome"] == "started" for entry in steps)


def _told(lab: Lab, token: str) -> str:
    """What /err says of the key of the name `ccvm`; empty when it says nothing."""
    listed = expect(lab.api("cube1", "GET", ERRORS, token=token))["errors"] or []
    return next((entry["error"] for entry in listed if "SSH host key of ccvm " in entry["error"]), "")
