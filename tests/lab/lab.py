"""The running lab as tests use it: run programs in nodes, call their daemon, cut cables, pull power plugs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.lab import api, clock, network, parallel, product, state
from tests.lab.command import DEFAULT_TIMEOUT, Output
from tests.lab.errors import LabError
from tests.lab.machine import Machine
from tests.lab.profile import Node, Profile
from tests.lab.services import cloud_center


class Lab:
    """A lab that is up. Node names are those of the profile; an unknown one raises LabError everywhere."""

    def __init__(self, profile: Profile) -> None:
        """Take hold of a profile's lab; nothing is started."""
        self.profile = profile
        self.machines = {name: Machine(profile.name, name) for name in profile.nodes}

    def node(self, name: str) -> Node:
        """The description of a node: role and addresses."""
        return self.profile.node(name)

    def machine(self, name: str) -> Machine:
        """A node as a machine; `root` is its disk as seen from here."""
        return self.machines[self.node(name).name]

    def run(
        self,
        node: str,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        ok: Sequence[int] | None = (0,),
    ) -> Output:
        """Run a program in a node as root (see Machine.run); ok=None accepts every exit status."""
        return self.machine(node).run(argv, stdin=stdin, timeout=timeout, ok=ok)

    def api(
        self,
        node: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> api.Reply:
        """Call a node's daemon over the management network; see api.call. `token` is sent as Bearer."""
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        address = (self.node(node).management, product.PORT)
        sent = {**bearer, **(headers or {})}
        return api.call(self.profile.name, address, method, path, body=body, headers=sent, timeout=timeout)

    def cut(self, node: str, network_name: str | None = None) -> None:
        """Cut a node off one network, or off all: frames get lost without a sign of it in the node."""
        network.cut(self.profile, self.node(node), network_name)

    def heal(self, node: str, network_name: str | None = None) -> None:
        """Undo cut."""
        network.heal(self.profile, self.node(node), network_name)

    def kill(self, node: str) -> None:
        """Power a node off without a warning; like a pulled plug, its last packets never leave. The disk stays."""
        if not self.machine(node).is_on():
            raise LabError(f"{node} is off already")
        self.cut(node)
        self.machine(node).kill()
        network.unplug(self.profile, self.node(node))

    def boot(self, node: str, *, wait: bool = True) -> None:
        """Power a node on again with the disk it has, all its cables connected; waits until everything has started."""
        machine = self.machine(node)
        if machine.is_on():
            raise LabError(f"{node} is on already")
        network.plug(self.profile, self.node(node))
        machine.power_on()
        if wait:
            machine.wait_running()

    def clock(self, node: str, unit: str, offset: timedelta | None) -> None:
        """Move the clock of one service of a node by `offset`, or back to the real time with None; restarts it."""
        if offset is None:
            clock.restore(self.machine(node), unit)
        else:
            clock.move(self.machine(node), unit, offset)

    def repair(self) -> None:
        """Undo every cut, kill and clock change, as between two tests."""
        parallel.each(self.profile.nodes, self._repair)

    def _repair(self, node: str) -> None:
        if not self.machine(node).is_on():
            self.boot(node)
        if network.cut_networks(self.profile, self.node(node)):
            self.heal(node)
        clock.restore_all(self.machine(node))

    def reset_product(self, node: str) -> None:
        """Make a node's product as if it was installed this moment; the cloud VM's definition stays."""
        tree = Path(state.read(self.profile.name).tree)
        product.reset(self.machine(node), self.node(node), tree, keep=[cloud_center.DEFINITION])
