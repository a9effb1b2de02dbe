"""Root logs in from every node to every other by key, as between the machines of an installed cluster.

Not part of any level of `up`: making and distributing keys is the product's own work in most tests.
"""

from collections.abc import Mapping

from tests.lab import parallel
from tests.lab.machine import Machine
from tests.lab.profile import Node, Profile

KEY = "/root/.ssh/id_ed25519"


def set_up(profile: Profile, machines: Mapping[str, Machine]) -> None:
    """Give all nodes one key of root, let it in everywhere, and make their host keys known to one another."""
    first = next(iter(machines.values()))
    first.run(["sh", "-c", f"mkdir -p -m 0700 /root/.ssh; test -e {KEY} || ssh-keygen -q -t ed25519 -N '' -f {KEY}"])
    private = first.run(["cat", KEY]).stdout
    public = first.run(["cat", f"{KEY}.pub"]).stdout
    known = "".join(_host_key(profile.nodes[name], machine) for name, machine in machines.items())
    files = {KEY: private, f"{KEY}.pub": public, "/root/.ssh/authorized_keys": public, "/root/.ssh/known_hosts": known}
    parallel.each(machines.values(), lambda machine: _write(machine, files))


def _host_key(node: Node, machine: Machine) -> str:
    """The node's line of a known_hosts file, under its name and every address."""
    key = " ".join((machine.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="ascii").split()[:2])
    return f"{','.join([node.name, *map(str, node.addresses.values())])} {key}\n"


def _write(machine: Machine, files: Mapping[str, str]) -> None:
    machine.run(["install", "-d", "-m", "0700", "/root/.ssh"])
    for path, content in files.items():
        machine.run(["install", "-m", "0600", "/dev/stdin", path], stdin=content)
