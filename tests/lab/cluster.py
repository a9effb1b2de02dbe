"""The product's cluster on the lab's nodes: made complete, read from their disks, waited for."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.lab import api, first_apply, lifecycle, parallel, product
from tests.lab.errors import LabError
from tests.lab.lab import Lab

Found = TypeVar("Found")

APPLY = "/api/v1/cube/cluster/apply"
APPLY_LOCAL = "/api/v1/cube/cluster/apply-local"
CONFIG = "/api/v1/cube/cluster/config"
HEALTH = "/api/v1/cube/cluster/health"
SYSTEM_CONFIG = "/api/v1/cube/system/config"
INTERNAL_TOKEN = "X-Cube-Internal-Token"
DEADLINE = "X-Cube-Deadline"

CLUSTER_JSON = "etc/ablestack/properties/cluster.json"
TRANSACTION = "var/lib/ablestack/transaction"
SETTLE_SECONDS = 60.0
POLL = 0.05
QUICK_POLL = 0.001


def until(condition: Callable[[], Found | None], what: str, seconds: float = SETTLE_SECONDS, poll: float = POLL) -> Found:
    """The first true value of `condition`; fails the test with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(poll)
    return found


# --- making it -------------------------------------------------------------------------------------------------------


def make_complete(lab: Lab) -> None:
    """One cluster of every node, the guests too, all of them marked as deployed; nothing happens when it is so."""
    if _is_complete(lab):
        return
    parallel.each(lab.profile.nodes, lab.reset_product)
    lifecycle.wait_answering(lab)
    first_apply.apply(lab)
    token = first_apply.log_in(lab)
    parallel.each(guests(lab), lambda name: take_in_guest(lab, name, token))
    marks = {"action": "allUpdate", "option": "all"}
    expect(lab.api("cube1", "POST", SYSTEM_CONFIG, marks, token=token))
    settled(lab)


def take_in_guest(lab: Lab, name: str, token: str) -> None:
    """Give a guest the configuration of cube1, as an operator does: download it there, post it here."""
    given = expect(lab.api("cube1", "GET", f"{CONFIG}?download=true", token=token))
    config = given["clusterConfig"]
    members = [member for member in config.pop("pcsCluster").values() if member]
    body = {**config, "action": "insert", "option": "local", "pcs_cluster_list": members, "security": given["security"]}
    expect(lab.api(name, "POST", APPLY, body, token=first_apply.log_in(lab, name), timeout=first_apply.APPLY_TIMEOUT))


def apply(lab: Lab, token: str, node: str = "cube1", **changed: Any) -> api.Reply:
    """Apply the profile's cluster with some fields changed; any answer."""
    body = {**first_apply.request(lab.profile), **changed}
    return lab.api(node, "POST", APPLY, body, token=token, timeout=first_apply.APPLY_TIMEOUT)


def expect(reply: api.Reply) -> Any:
    """The body of a good answer."""
    assert reply.status == 200, reply.text
    return reply.json()


def outcomes(reply: api.Reply) -> dict[str, str]:
    """Each node's outcome in an answer's `results`, by name."""
    return {entry["hostname"]: entry["outcome"] for entry in reply.json()["results"]}


def hosts(lab: Lab) -> list[str]:
    """The names of the hosts."""
    return [node.name for node in lab.profile.with_role("cube")]


def guests(lab: Lab) -> list[str]:
    """The names of the storage VMs and the cloud VM."""
    return [name for name in lab.profile.nodes if name not in hosts(lab)]


# --- what the nodes hold ---------------------------------------------------------------------------------------------


def document(lab: Lab, node: str) -> dict[str, Any]:
    """A node's cluster.json."""
    held: dict[str, Any] = json.loads((lab.machine(node).root / CLUSTER_JSON).read_text(encoding="utf-8"))
    return held


def internal_token(lab: Lab, node: str) -> str:
    """The token a node calls its peers with; empty when it has none."""
    return str(document(lab, node).get("security", {}).get("internal_token", ""))


def signing_value(lab: Lab, node: str) -> str:
    """What a node signs the tokens of logins with; empty before the first login."""
    auth = json.loads((lab.machine(node).root / "etc/ablestack/auth.json").read_text(encoding="utf-8"))
    return str(auth["access_token_secret"])


def held(lab: Lab, node: str) -> str:
    """Configuration, internal token, and the cluster's names in /etc/hosts, as one comparable text."""
    whole = document(lab, node)
    lines = (lab.machine(node).root / "etc/hosts").read_text(encoding="utf-8").splitlines()
    names = sorted(line.split()[1] for line in lines if len(line.split()) > 1)
    return json.dumps([whole["clusterConfig"], whole.get("security"), names], sort_keys=True)


def open_records(lab: Lab, node: str) -> list[str]:
    """Records of changes that are not settled yet: of those it leads, and of the one it takes part in."""
    folder = lab.machine(node).root / TRANSACTION
    return [path.name for path in (*folder.glob("journals/*.json"), *folder.glob("participant.json"))]


def phase(lab: Lab, node: str) -> str:
    """How far the change is that a node takes part in: prepared, applying, applied; empty without one."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads((lab.machine(node).root / TRANSACTION / "participant.json").read_text(encoding="utf-8"))
        return str(record["phase"])
    return ""


def settled(lab: Lab, names: Sequence[str] = (), seconds: float = SETTLE_SECONDS) -> str:
    """Wait until the named nodes (else the hosts) hold the same, and no node has a record open; what they hold."""
    chosen = list(names) or hosts(lab)

    def same() -> str:
        values = {held(lab, name) for name in chosen}
        return values.pop() if len(values) == 1 and not _open_anywhere(lab) else ""

    try:
        return until(same, "one revision everywhere", seconds)
    except AssertionError as error:
        found = "\n".join(f"{name}: open {open_records(lab, name)}, holds {held(lab, name)}" for name in chosen)
        raise AssertionError(f"{error}\n{found}\nopen records: {_open_anywhere(lab)}") from None


def _open_anywhere(lab: Lab) -> dict[str, list[str]]:
    return {name: records for name in lab.profile.nodes if (records := open_records(lab, name))}


def _is_complete(lab: Lab) -> bool:
    """Whether `make_complete` has nothing to do. The guests may hold an older revision: an insert does not ask them."""
    with contextlib.suppress(LabError, OSError, ValueError, KeyError):
        named = [[host["hostname"] for host in document(lab, name)["clusterConfig"]["hosts"]] for name in lab.profile.nodes]
        tokens = {internal_token(lab, name) for name in lab.profile.nodes}
        deployed = document(lab, "cube1")["systemProfile"]["bootstrap"]["ccvm"] == "true"
        same = len({held(lab, name) for name in hosts(lab)}) == len(tokens) == 1
        return all(each == hosts(lab) for each in named) and same and deployed and not _open_anywhere(lab)
    return False


# --- the daemon's processes ------------------------------------------------------------------------------------------


@contextmanager
def frozen(lab: Lab, node: str) -> Iterator[None]:
    """A node's daemon is stopped (SIGSTOP): its connections stay open, nothing is answered."""
    pids = lab.machine(node).unit_processes(product.UNIT)
    assert pids, f"the daemon of {node} has no processes"
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # a program that the daemon ran just now may have ended
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def unread_bytes(lab: Lab, node: str, peer: str) -> int:
    """What a peer has answered to a (frozen) node's daemon and nobody has read yet."""
    target = f"{lab.node(peer).management}:{product.PORT}"
    lines = lab.run(node, ["ss", "-Htn", "dst", target]).stdout.splitlines()
    return sum(int(line.split()[1]) for line in lines)
