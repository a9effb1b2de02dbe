"""A host's own part in the life of the Cloud Center VM: its definition, what a removal leaves behind on it."""

import os
from typing import Any

from ablestack_api.ccvm import status, xml
from ablestack_api.ccvm.models import LifecycleRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs.progress import Progress
from ablestack_api.orchestrator import fanout, hand_on, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import image_file, json_file
from ablestack_api.state.cluster_document import ClusterConfig

PATH = "/cube/ccvm/lifecycle"
LOCAL_MODE = "X-Cube-CCVM-Lifecycle-Local"
CHECK, CLEAN, CLEAN_IMAGE = "check", "clean", "clean-image"
PART_SECONDS = 60.0


def take(env: Env, request: LifecycleRequest, progress: Progress) -> dict[str, Any]:
    """The part that another host asks for. Raises BadInput for an unknown one."""
    if request.part == CHECK:
        return {"code": 200, "val": check(env)}
    if request.part in (CLEAN, CLEAN_IMAGE):
        return {"code": 200, "val": clean(env, force=request.force, empty=request.part == CLEAN)}
    raise bad_field("part", f"is none of {CHECK}, {CLEAN}, {CLEAN_IMAGE}")


def check(env: Env) -> dict[str, Any]:
    return {"xml": os.path.isfile(xml.path(env.settings))}


def clean(env: Env, *, force: bool, empty: bool) -> str:
    """Forget the domain and remove the first start's image; `empty`: and everything in the state folder.

    Raises Conflict when the domain runs here and that is not to be overridden.
    """
    domain = domains.read(env.libvirt, xml.NAME)
    if domain is not None and domain.runs and not force:
        raise Conflict(
            f"the domain {xml.NAME} is {domain.state} on this host; nothing was changed. Stop it first, or force: true"
        )
    if domain is not None:
        domains.destroy(env.libvirt, xml.NAME)
        domains.undefine(env.libvirt, xml.NAME, keep_nvram=True)
    json_file.remove(env.settings.below(xml.ISO))
    if empty:
        image_file.empty(os.path.dirname(xml.path(env.settings)))
    status.forget(env)
    return "cleaned"


def clean_everywhere(env: Env, config: ClusterConfig, *, force: bool, empty: bool) -> list[dict[str, Any]]:
    """`clean` on every host side by side; all are tried. Raises PeersFailed with what each told."""
    part = CLEAN if empty else CLEAN_IMAGE
    outcomes = _everywhere(
        env, config, {"action": "delete", "part": part, "force": force}, lambda: clean(env, force=force, empty=empty)
    )
    results = [{**outcome.entry(), "message": outcome.message or "ok"} for outcome in outcomes]
    failed = [outcome for outcome in outcomes if outcome.bad]
    if failed:
        told = "; ".join(f"{outcome.target.hostname}: {outcome.message}" for outcome in failed)
        raise PeersFailed(f"not every host could be cleaned: {told}. Repeat when they answer", results=results)
    return results


def require_definitions(env: Env, config: ClusterConfig) -> None:
    """Every host has its copy of the definition: Pacemaker may start the machine on any of them."""
    outcomes = _everywhere(env, config, {"action": "setup", "part": CHECK}, lambda: check(env))
    silent = [outcome for outcome in outcomes if outcome.bad]
    if silent:
        raise hand_on.failed(silent[0])
    without = [
        outcome.target.hostname for outcome in outcomes if not (isinstance(outcome.value, dict) and outcome.value.get("xml"))
    ]
    if without:
        told = (
            f"ccvm xml not found on {', '.join(without)}; nothing was changed. POST /cube/ccvm/xml writes it to every host"
        )
        raise Conflict(told, hosts=without)


def _everywhere(env: Env, config: ClusterConfig, body: dict[str, Any], local: Any) -> list[Outcome]:
    limit = Deadline(env.clock, PART_SECONDS)

    def ask(target: Target) -> Outcome:
        if not target.local:
            return fanout.call(env, target, "POST", PATH, body=body, deadline=limit, local_mode=LOCAL_MODE)
        try:
            return Outcome(target, fanout.OK, 200, value=local())
        except ApiError as error:
            return Outcome(target, fanout.FAILED, error.status, error.detail, error=error)

    return fanout.at_once(targets.hosts(env.settings, config), ask)
