"""pcs(8): changes to the cluster of Pacemaker. What it knows is read with crm_mon and cibadmin, which are faster (D26).

A `Pcs` works on the running cluster, or with `cib` on a file (`pcs -f`): a change of many words is made in a file,
looked over by crm_verify and pushed as one difference, so that the cluster never sees half of it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner
from ablestack_api.core.secret import Secret

SHORT_SECONDS = 30.0
LONG_SECONDS = 300.0
# The keyword `group` and the option `--group` mean the same; which of them is not deprecated changed with this release.
GROUP_KEYWORD = (0, 11, 7)
# From here on disabling the last fence device asks for --force.
FENCING_GUARD = (0, 12, 1)
Version = tuple[int, int, int]


@dataclass(frozen=True)
class Pcs:
    """`version` decides the syntax; `cib` is the file to work on, empty for the running cluster."""

    runner: Runner
    version: Version
    cib: str = ""

    def on_file(self, path: str) -> "Pcs":
        return replace(self, cib=path)

    def run(self, words: Sequence[str], *, seconds: float = LONG_SECONDS, stdin: Secret | None = None) -> str:
        argv = ["pcs", *(["-f", self.cib] if self.cib else []), *words]
        return self.runner.run(argv, timeout=seconds, stdin=stdin).stdout.strip()


def connect(runner: Runner) -> Pcs:
    """Ask pcs which release it is. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    printed = runner.run(["pcs", "--version"], timeout=SHORT_SECONDS).stdout
    return Pcs(runner, parse_version(printed))


def parse_version(printed: str) -> Version:
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", printed)
    if found is None:
        raise CommandFailed("pcs did not tell its version", program="pcs", exit_code=0)
    return int(found[1]), int(found[2]), int(found[3] or 0)


def resource_create(
    pcs: Pcs,
    name: str,
    agent: str,
    options: Mapping[str, str],
    *,
    operations: Sequence[str] = (),
    group: str = "",
) -> None:
    """`operations` are pcs's own words after `op` (`monitor`, `interval=45s`, …)."""
    member = [] if not group else ["group" if pcs.version >= GROUP_KEYWORD else "--group", group]
    words = ["resource", "create", name, agent, *_pairs(options), *(["op", *operations] if operations else []), *member]
    pcs.run(words)


def resource_clone(pcs: Pcs, name: str) -> None:
    """One instance on every node; a node's instance waits only for what is on that node."""
    pcs.run(["resource", "clone", name, "interleave=true"])


def resource_enable(pcs: Pcs, *names: str) -> None:
    pcs.run(["resource", "enable", *names])


def resource_disable(pcs: Pcs, *names: str) -> None:
    pcs.run(["resource", "disable", *names])


def resource_delete(pcs: Pcs, name: str) -> None:
    """With its constraints. `--force` does not wait for it to stop: the caller has seen that it has."""
    pcs.run(["resource", "delete", name, "--force"])


def resource_cleanup(pcs: Pcs) -> None:
    """Forget failed operations of all resources."""
    pcs.run(["resource", "cleanup"])


def order(pcs: Pcs, first: str, then: str) -> None:
    pcs.run(["constraint", "order", "start", first, "then", then])


def colocate(pcs: Pcs, resource: str, other: str) -> None:
    """`resource` only where `other` is."""
    pcs.run(["constraint", "colocation", "add", resource, "with", other])


def avoid(pcs: Pcs, resource: str, node: str) -> None:
    pcs.run(["constraint", "location", resource, "avoids", node])


def constraint_remove(pcs: Pcs, name: str) -> None:
    pcs.run(["constraint", "delete", name])


def stonith_create(pcs: Pcs, name: str, agent: str, options: Mapping[str, str]) -> None:
    pcs.run(["stonith", "create", name, agent, *_pairs(options)])


def stonith_update(pcs: Pcs, name: str, options: Mapping[str, str]) -> None:
    """An empty value removes the option."""
    pcs.run(["stonith", "update", name, *_pairs(options)])


def stonith_enable(pcs: Pcs, name: str) -> None:
    pcs.run(["stonith", "enable", name], seconds=SHORT_SECONDS)


def stonith_disable(pcs: Pcs, name: str) -> None:
    force = ["--force"] if pcs.version >= FENCING_GUARD else []
    pcs.run(["stonith", "disable", name, *force], seconds=SHORT_SECONDS)


def stonith_status(pcs: Pcs) -> str:
    return pcs.run(["stonith", "status"], seconds=SHORT_SECONDS)


def set_properties(pcs: Pcs, values: Mapping[str, str]) -> None:
    pcs.run(["property", "set", *_pairs(values)], seconds=SHORT_SECONDS)


def alert_create(pcs: Pcs, name: str, description: str, path: str) -> None:
    pcs.run(["alert", "create", f"id={name}", f"description={description}", f"path={path}"], seconds=SHORT_SECONDS)


def alert_remove(pcs: Pcs, name: str) -> None:
    pcs.run(["alert", "remove", name], seconds=SHORT_SECONDS)


def alert_recipient_add(pcs: Pcs, alert: str, name: str, value: str) -> None:
    pcs.run(["alert", "recipient", "add", alert, f"id={name}", f"value={value}"], seconds=SHORT_SECONDS)


def host_auth(pcs: Pcs, addresses: Sequence[str], user: str, password: Secret) -> None:
    """Have this node's pcs trusted by the pcsd of others. The password goes through stdin, where pcs asks for it when it
    has no terminal."""
    pcs.run(["host", "auth", *addresses, "-u", user], stdin=Secret(f"{password.reveal()}\n"))


def cluster_setup(pcs: Pcs, name: str, addresses: Sequence[str]) -> None:
    """A new cluster on nodes that are in none, started. A node is named by its address."""
    quorum = ["quorum", "wait_for_all=1", "last_man_standing=1"]
    pcs.run(["cluster", "setup", name, "--start", *addresses, *quorum])


def cluster_enable(pcs: Pcs) -> None:
    """Start it with the nodes."""
    pcs.run(["cluster", "enable", "--all"])


def cluster_stop(pcs: Pcs) -> None:
    pcs.run(["cluster", "stop", "--all"])


def cluster_destroy(pcs: Pcs) -> None:
    """Stop the cluster on this node, whatever state it is in, and remove its configuration here."""
    pcs.run(["cluster", "destroy"])


def cluster_status(pcs: Pcs) -> str:
    return pcs.run(["cluster", "status"])


def push_cib(pcs: Pcs, original: str, changed: str) -> None:
    """Make the difference of two files of the CIB in the running cluster: all of it or nothing."""
    pcs.run(["cluster", "cib-push", changed, f"diff-against={original}"])


def _pairs(options: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in options.items()]
