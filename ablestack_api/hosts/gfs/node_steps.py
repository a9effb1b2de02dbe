"""Steps of a plan that every node of the cluster does; what each did goes into the answer's `results`."""

from typing import Any

from ablestack_api.hosts.gfs import everywhere
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.hosts.gfs.everywhere import Local, explained
from ablestack_api.jobs.plan import Step

Results = list[dict[str, Any]]


def node_step(call: Call, results: Results, name: str, action: str, local: Local, **changes: Any) -> Step:
    def do() -> None:
        on_all(call, results, name, action, local, **changes)

    return Step(name, f"{action} on every node", do)


def on_all(call: Call, results: Results, name: str, action: str, local: Local, **changes: Any) -> None:
    outcomes = explained(name, lambda: everywhere.on_all(call, action, local, **changes))
    results.extend(everywhere.entry(outcome, name) for outcome in outcomes)
