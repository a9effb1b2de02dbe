"""What makes a copy of the shared root file system one particular node: written to its disk before it starts."""

from pathlib import Path

from tests.lab.command import run
from tests.lab.profile import Network, Node, Profile

LOCALHOST = "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost localhost.localdomain\n"

CONNECTION = """\
[connection]
id={name}
type=ethernet
interface-name={device}

[ethernet]

[ipv4]
method=manual
address1={address}/{length}

[ipv6]
method=disabled
"""

CHRONY_FILE = "etc/chrony/chrony.conf"
# No time server: a new node has none until the product gives it one.
CHRONY = """\
confdir /etc/chrony/conf.d
sourcedir /etc/chrony/sources.d
driftfile /var/lib/chrony/chrony.drift
logdir /var/log/chrony
makestep 1 3
"""


def write(root: Path, profile: Profile, node: Node) -> None:
    """Write the node's name, addresses, time service, and which units start at boot, to its disk at `root`."""
    for name, content in files(node).items():
        (root / name).write_text(content, encoding="ascii")
    for name in node.addresses:
        _write_connection(root, node, profile.networks[name])
    run(["systemctl", f"--root={root}", "enable", *node.units])


def files(node: Node) -> dict[str, str]:
    """The text files, by name below the root, that a node has as long as it belongs to no cluster."""
    return {
        "etc/hostname": f"{node.name}\n",
        "etc/hosts": f"{LOCALHOST}{node.management}\t{node.name}\n",
        CHRONY_FILE: CHRONY,
    }


def _write_connection(root: Path, node: Node, network: Network) -> None:
    """A NetworkManager connection; it ignores files that others may read."""
    path = root / f"etc/NetworkManager/system-connections/{network.name}.nmconnection"
    address, length = node.addresses[network.name], network.prefix.prefixlen
    text = CONNECTION.format(name=network.name, device=network.device, address=address, length=length)
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
