"""One request while it is served, and what a piece of work for it consists of."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

from ablestack_api.core.bounded_runner import BoundedRunner
from ablestack_api.core.clock import Deadline
from ablestack_api.env import Env
from ablestack_api.hosts import storage_work
from ablestack_api.hosts.gfs.models import GfsManageRequest
from ablestack_api.jobs.plan import Plan
from ablestack_api.jobs.progress import Progress
from ablestack_api.state.cluster_document import ClusterConfig

# What undoing may take after the deadline of the work is over.
UNDO_SECONDS = 300.0


@dataclass(frozen=True)
class Call:
    """No program that `env` runs outlives the deadline. `action` is the request's in its normal form."""

    env: Env
    request: GfsManageRequest
    config: ClusterConfig
    deadline: Deadline
    progress: Progress
    action: str = ""

    @classmethod
    def begin(
        cls, env: Env, request: GfsManageRequest, config: ClusterConfig, seconds: float, progress: Progress, action: str
    ) -> "Call":
        deadline = Deadline(env.clock, seconds)
        bounded = replace(env, runner=BoundedRunner(env.runner, deadline))
        return cls(bounded, request, config, deadline, progress, action)

    def undoing(self) -> "Call":
        """The same call with time of its own: what was done is taken back even when the deadline is over."""
        deadline = Deadline(self.env.clock, UNDO_SECONDS)
        runner = self.env.runner
        plain = runner.unbounded if isinstance(runner, BoundedRunner) else runner
        return replace(self, env=replace(self.env, runner=BoundedRunner(plain, deadline)), deadline=deadline)

    def with_request(self, **changes: Any) -> "Call":
        return replace(self, request=self.request.model_copy(update=changes))


@dataclass
class Course:
    """A plan and what is answered when it went well.

    `val` gets what the steps returned, by name. `results` fills while the steps run; it is told in an error too.
    `if_failed` runs when it did not go well, after any undoing.
    """

    plan: Plan
    val: Callable[[dict[str, Any]], Any]
    results: list[dict[str, Any]] = field(default_factory=list)
    if_failed: Callable[[], None] | None = None


def on_whole_system(work: Callable[[Call], str]) -> Callable[[Call], str]:
    """An action on one node that changes more than files below the sysroot."""

    @wraps(work)
    def checked(call: Call) -> str:
        storage_work.require_whole_system(call.env)
        return work(call)

    return checked
