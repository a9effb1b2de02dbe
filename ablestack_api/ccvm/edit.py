"""POST /cube/ccvm/edit: vCPUs and memory in the stored definition, on every host or on none (contract 03 §8)."""

from functools import partial
from typing import Any

from ablestack_api.ccvm import executor, status, whereabouts, xml
from ablestack_api.ccvm.models import EditRequest
from ablestack_api.ccvm.whereabouts import Sighting
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import domain_xml, domains
from ablestack_api.hypervisor.domain_xml import NotADomain
from ablestack_api.jobs import plan as plans
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import node_facts, own_hypervisor
from ablestack_api.orchestrator import fanout, hand_on, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file, json_file, mounts
from ablestack_api.state.cluster_document import ClusterConfig

PATH = "/cube/ccvm/edit"
LOCAL_MODE = "X-Cube-CCVM-Edit-Local"
HOLD = "vm:ccvm"
CHECK, WRITE, RESTORE = "check", "write", "restore"
SECONDS = 30.0
UPDATED, FAILED = "ccvm xml updated", "ccvm xml update failed"
PENDING = "the Cloud Center VM runs: the change is in force at its next start"
LONGEST_NUMBER = 6


def work(env: Env, request: EditRequest, *, here: bool) -> Work:
    """Raises BadInput, PeersFailed."""
    config = _checked(env, request, here=here)
    if executor.is_standalone(config):
        own_hypervisor.require(env.settings)
    if here and request.part:
        return Work("ccvm edit", lambda _progress: {"code": 200, "val": part(env, config, request)}, holds=(HOLD,))
    target = None if here or config.is_hci else executor.choose(env, config)
    if target is not None and not target.local:
        return Work("ccvm edit", lambda _progress: _elsewhere(env, request, target))
    return Work("ccvm edit", lambda progress: _edit(env, config, request, progress), holds=(HOLD,), cancellable=True)


def show_plan(env: Env, request: EditRequest, *, here: bool) -> dict[str, Any]:
    config = _checked(env, request, here=here)
    target = None if here or config.is_hci else executor.choose(env, config)
    if target is not None and not target.local:
        return hand_on.call(env, target, f"{PATH}?plan=true", _body(request), Deadline(env.clock, SECONDS), LOCAL_MODE)
    return {"code": 200, "val": _plan(env, config, request, []).shape()}


def part(env: Env, config: ClusterConfig, request: EditRequest) -> dict[str, Any]:
    """This host's own: look (nothing is changed), write, put back what was there. Returns `before`, the definition."""
    path = _path(env, config)
    before = json_file.read_bytes(path)
    if request.part == RESTORE:
        _put(env, path, request.content)
        return {"xml_path": path}
    node_facts.require_memory(env.settings, "memory", int(request.memory))
    if before is None:
        raise Conflict(f"ccvm xml not found: {path} does not exist; nothing was changed", xml_path=path)
    text = before.decode("utf-8", "surrogateescape")
    changed = _resized(text, path, request)
    if request.part == WRITE:
        _put(env, path, changed)
    elif request.part != CHECK:
        raise bad_field("part", f"is none of {CHECK}, {WRITE}, {RESTORE}")
    return {"xml_path": path, "before": text}


def _checked(env: Env, request: EditRequest, *, here: bool) -> ClusterConfig:
    config = cluster_file.read(env.settings).document.cluster
    if not (config.is_hci or config.type.lower() in (executor.VM, executor.STANDALONE)):
        raise bad_field("clusterConfig.type", f"is {config.type or 'empty'}", "unsupported cluster type")
    if not targets.hosts(env.settings, config):
        raise Conflict("ablecube host not found: cluster.json names no host")
    if here and request.part == RESTORE:
        return config
    for field, value, most in (("cpu", request.cpu, xml.MOST_CPUS), ("memory", request.memory, xml.MOST_MEMORY_GIB)):
        whole = value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER
        if not whole or not 1 <= int(value) <= most:
            raise bad_field(field, f"must be a whole number from 1 to {most}, as text", f"invalid {field}")
    return config


def _edit(env: Env, config: ClusterConfig, request: EditRequest, progress: Progress) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    try:
        plans.run(_plan(env, config, request, results), progress)
    except ApiError as error:
        error.detail = f"{FAILED}: {error.detail}"
        error.members.setdefault("results", results)
        raise
    finally:
        status.forget(env)
    found = whereabouts.find(env, config, Deadline(env.clock, whereabouts.SECONDS))
    return {"code": 200, "message": UPDATED, "results": results, **_pending(found)}


def _pending(found: Sighting) -> dict[str, str]:
    """What is not in force yet; also when nobody can tell whether it runs."""
    if found.domain is not None and found.domain.runs:
        return {"pending": PENDING}
    return {"pending": f"in force at the next start; whether it runs is not known: {found.problem}"} if found.problem else {}


def _plan(env: Env, config: ClusterConfig, request: EditRequest, results: list[dict[str, Any]]) -> Plan:
    """Look on every host first; what the writing of one changed is put back when another fails."""
    hosts = targets.hosts(env.settings, config)
    members = hosts if config.is_hci else [next((host for host in hosts if host.local), hosts[0])]
    before: dict[str, str] = {}

    def look() -> None:
        for outcome in _on_all(env, config, members, request, CHECK):
            before[outcome.target.address] = str(outcome.value["before"])

    def write() -> None:
        results.extend(_entry(outcome) for outcome in _on_all(env, config, members, request, WRITE))

    def put_back() -> None:
        _on_all(env, config, members, request, RESTORE, before)

    steps = [
        Step("check", "look at the definition on every host", look),
        Step("write", "write it there", write, undo=put_back, undo_if_failed=True),
    ]
    if executor.is_standalone(config):
        steps.append(_define_step(env, config))
    return Plan(f"{request.cpu} vCPUs and {request.memory} GiB for ccvm", steps, warnings=["in force at its next start"])


def _define_step(env: Env, config: ClusterConfig) -> Step:
    """Standalone: the definition that counts is libvirt's, which 0.1.2 never renewed."""
    before = domains.read_definition(env.libvirt, xml.NAME)

    def define() -> str:
        if before is None:
            return "not defined in libvirt"
        domains.define(env.libvirt, (json_file.read_bytes(_path(env, config)) or b"").decode("utf-8", "replace"))
        return "done"

    undo = None if before is None else partial(domains.define, env.libvirt, before)
    return Step("define", "define it anew in libvirt", define, undo=undo)


def _on_all(
    env: Env,
    config: ClusterConfig,
    members: list[Target],
    request: EditRequest,
    name: str,
    contents: dict[str, str] | None = None,
) -> list[Outcome]:
    limit = Deadline(env.clock, SECONDS)

    def ask(target: Target) -> Outcome:
        given = (contents or {}).get(target.address, "")
        asked = request.model_copy(update={"part": name, "content": given})
        if target.local:
            return Outcome(target, fanout.OK, 200, value=part(env, config, asked))
        return fanout.call(env, target, "POST", PATH, body=asked.model_dump(), deadline=limit, local_mode=LOCAL_MODE)

    asked_members = [member for member in members if contents is None or member.address in contents]
    outcomes = fanout.at_once(asked_members, ask)
    _require_all(outcomes)
    return outcomes


def _require_all(outcomes: list[Outcome]) -> None:
    """One host's refusal is told as it is; of several, all are told."""
    bad = [outcome for outcome in outcomes if outcome.bad]
    if not bad:
        return
    results = [_entry(outcome) for outcome in outcomes]
    if len({outcome.code for outcome in bad}) == 1 and bad[0].outcome == fanout.FAILED:
        error = hand_on.failed(bad[0])
        error.members["results"] = results
        raise error
    told = "; ".join(f"{outcome.target.hostname}: {outcome.message}" for outcome in bad)
    raise PeersFailed(told, results=results)


def _entry(outcome: Outcome) -> dict[str, Any]:
    path = outcome.value.get("xml_path") if isinstance(outcome.value, dict) else outcome.body.get("xml_path")
    entry = {**outcome.entry(), "message": outcome.message or "ok"}
    return entry | ({"xml_path": path} if path else {})


def _path(env: Env, config: ClusterConfig) -> str:
    """The definition that the next start uses. Raises Conflict when the shared file system is not there."""
    shared = xml.SHARED_FILES.get(config.type.lower())
    if shared is None:
        return xml.path(env.settings)
    if config.type.lower() == executor.VM:
        mounted = {mount.mountpoint for mount in mounts.read(env.settings)}
        if env.settings.below(xml.GFS_MOUNT_POINT) not in mounted:
            raise Conflict(f"gfs mount point is not mounted: {xml.GFS_MOUNT_POINT}; nothing was changed")
    return env.settings.below(shared)


def _resized(text: str, path: str, request: EditRequest) -> str:
    try:
        return domain_xml.resized(text, int(request.cpu), int(request.memory))
    except NotADomain as error:
        raise Conflict(f"{error}: {path} was left as it is", xml_path=path) from error


def _put(env: Env, path: str, text: str) -> None:
    """Under the lock of our own copy: no stray lock file on a file system that other hosts have mounted."""
    with json_file.locked(xml.path(env.settings)):
        json_file.write_bytes(path, text.encode("utf-8", "surrogateescape"))


def _elsewhere(env: Env, request: EditRequest, target: Target) -> dict[str, Any]:
    return hand_on.call(env, target, PATH, _body(request), Deadline(env.clock, 4 * SECONDS), LOCAL_MODE)


def _body(request: EditRequest) -> dict[str, Any]:
    return {"cpu": request.cpu, "memory": request.memory}
