"""`POST /cube/license/apply`: the licence registered, or asked for, on many nodes side by side (contract 06 §1.6).

Only nodes of cluster.json are called (D7); of the caller's credentials nothing is passed on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.machines import cloud_resource
from ablestack_api.ops import license as own_license
from ablestack_api.ops import license_store
from ablestack_api.ops.license_models import LicenseApplyRequest, LicenseRequest
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig, ClusterDocument, Host

PATH = "/cube/license"
SECONDS = 240.0
CALL_SECONDS = 30.0
READY_TRIES, READY_PAUSE = 6, 30.0
STANDALONE, CCVM_DOMAIN = "ablestack-standalone", "ccvm"
ABLECUBE, SCVM, CCVM, CUSTOM = "ablecube", "scvm", "ccvm", "custom"
ROLES = {
    **dict.fromkeys(("ablecube", "host", "hosts", "node", "nodes", "physical"), (ABLECUBE,)),
    **dict.fromkeys(("scvm", "storage", "storage-vm", "storage_vm"), (SCVM,)),
    **dict.fromkeys(("ccvm", "cloud", "cloud-vm", "cloud_vm"), (CCVM,)),
    "all": (ABLECUBE, SCVM, CCVM),
}
Told = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A node that gets a licence; `host` is the entry of cluster.json it belongs to."""

    target: Target
    role: str
    host: Host | None = None

    def names(self) -> list[str]:
        """Every way to name it in `target_hostnames`, the most exact first."""
        index = [self.host.hostname, self.host.index, f"{self.role}{self.host.index}"] if self.host else []
        return [self.target.hostname, self.role, *index]

    def content_keys(self) -> list[str]:
        """Where its own licence is looked for in `licenses`, in this order."""
        own = [self.target.hostname, self.target.address, self.role, f"{self.role}:{self.target.hostname}"]
        host = self.host
        if host is None:
            return own
        more = (host.hostname, host.ablecube, host.scvm_mngt, host.scvm, host.index, f"{self.role}{host.index}")
        return [*own, *(name for name in more if name)]


def work(env: Env, request: LicenseApplyRequest) -> Work:
    """Everything that can be wrong with the request is told before anything is sent. Raises BadInput."""
    action = own_license.action_of(request.action or own_license.REGISTER)
    document = cluster_file.read(env.settings).document
    places = _places(env, request, document)
    default = "" if action == own_license.STATUS else _default_content(env, request)
    if request.filename and not license_store.is_name(request.filename):
        raise bad_field("filename", "is no plain file name")
    return Work(
        f"license {action} on many nodes",
        lambda progress: _everywhere(env, request, action, places, default, document.cluster, progress),
        holds=() if action == own_license.STATUS else ("license",),
        reads_only=action == own_license.STATUS,
    )


def _everywhere(
    env: Env,
    request: LicenseApplyRequest,
    action: str,
    places: list[Place],
    default: str,
    config: ClusterConfig,
    progress: Progress,
) -> Told:
    by_address = {place.target.address: place for place in places}
    attempts: dict[str, int] = {}

    def ask(target: Target) -> Outcome:
        place = by_address[target.address]
        if action == own_license.REGISTER and request.wait_for_ready and place.role == CCVM:
            attempts[target.address], ready = _wait_for_cloud_center(env, config)
            if not ready:
                return Outcome(target, fanout.FAILED, 500, "the Cloud Center VM is not running; nothing was sent to it")
        body = {"action": action, "original_filename": request.filename or license_store.DEFAULT_NAME}
        return _ask(env, target, body | _content_member(request, place, action, default))

    with progress.step("nodes", f"{action} on {', '.join(place.target.hostname for place in places)}"):
        outcomes = fanout.at_once([place.target for place in places], ask)
    results = [_entry(by_address[each.target.address], each, attempts) for each in outcomes]
    bad = next((entry for entry, outcome in zip(results, outcomes, strict=True) if outcome.bad), None)
    if bad is not None:
        raise PeersFailed(f"{bad['hostname']}: {bad['message']}", results=results)
    return {"code": 200, "message": "license apply success", "results": results}


def _ask(env: Env, target: Target, body: Told) -> Outcome:
    if body["action"] == own_license.REGISTER and not body["license_content"].strip():
        return Outcome(target, fanout.FAILED, 400, "license_content required")
    if target.local:
        told = own_license.control(env, LicenseRequest.model_validate(body), None)
        return Outcome(target, fanout.OK, 200, value=told["val"])
    return fanout.call(env, target, "POST", PATH, body=body, deadline=Deadline(env.clock, CALL_SECONDS))


def _entry(place: Place, outcome: Outcome, attempts: dict[str, int]) -> Told:
    entry = {**outcome.entry(), "role": place.role, "message": outcome.message or "ok"}
    value = outcome.value if outcome.good else outcome.body.get("val")
    tried = attempts.get(place.target.address, 0)
    return entry | ({"attempts": tried} if tried else {}) | ({"val": value} if value is not None else {})


def _content_member(request: LicenseApplyRequest, place: Place, action: str, default: str) -> Told:
    if action == own_license.STATUS:
        return {}
    folded = {key.lower(): value for key, value in request.licenses.items()}
    for key in place.content_keys():
        found = request.licenses.get(key) or folded.get(key.lower())
        if found:
            return {"license_content": found}
    return {"license_content": default}


def _default_content(env: Env, request: LicenseApplyRequest) -> str:
    if request.license_content or request.licenses:
        return request.license_content
    try:
        return own_license.content(env)
    except ApiError as error:
        raise bad_field("license_content", "required", f"license_content required: {error.detail}") from error


def _wait_for_cloud_center(env: Env, config: ClusterConfig) -> tuple[int, bool]:
    """(how often it was looked for, whether it runs)."""
    for number in range(1, READY_TRIES + 1):
        if _cloud_center_runs(env, config):
            return number, True
        if number < READY_TRIES:
            env.clock.sleep(READY_PAUSE)
    return READY_TRIES, False


def _cloud_center_runs(env: Env, config: ClusterConfig) -> bool:
    try:
        if config.type.lower() == STANDALONE:
            return domains.read_state(env.libvirt, CCVM_DOMAIN) == "running"
        place = cloud_resource.read(env)
        return place is not None and place.started
    except ApiError:
        return False


def _places(env: Env, request: LicenseApplyRequest, document: ClusterDocument) -> list[Place]:
    if request.targets:
        found = [_custom(env, address.strip(), document.cluster) for address in request.targets if address.strip()]
    else:
        found = [place for role in _roles(request.roles) for place in _of_role(env, role, document)]
        wanted = {word.lower() for word in _words(request.target_hostnames)}
        if wanted:
            found = [place for place in found if wanted & {name.lower() for name in place.names()}]
            if not found:
                raise bad_field("target_hostnames", "names no target", "target_hostname not found")
    distinct = list({place.target.address: place for place in reversed(found)}.values())[::-1]
    if not distinct:
        raise bad_field("roles", "no node of this cluster has them", "no targets to apply")
    return distinct


def _of_role(env: Env, role: str, document: ClusterDocument) -> list[Place]:
    config, profile = document.cluster, document.profile
    if role == CCVM:
        return [Place(_required(target), CCVM) for target in targets.ccvm(env.settings, config, profile.bootstrap)]
    by_address = {address: host for host in config.hosts for address in host.addresses}
    if role == ABLECUBE:
        members = targets.hosts(env.settings, config)
    else:
        members = targets.scvms(env.settings, config, profile.bootstrap)
    return [Place(_required(target), role, by_address.get(target.address)) for target in members]


def _required(target: Target) -> Target:
    """Who asks for a role wants the licence there: a guest that is not deployed is a failure."""
    return replace(target, optional=False)


def _custom(env: Env, address: str, config: ClusterConfig) -> Place:
    """Raises BadInput for an address that is not the cluster's."""
    local = own_node.has_address(env.settings, address)
    if not local and address not in config.addresses:
        raise bad_field("targets", f"{address[:100]} is not an address of this cluster; nothing was sent")
    return Place(Target(address, address, CUSTOM, local=local), CUSTOM)


def _roles(texts: list[str]) -> list[str]:
    words = _words(texts) or [ABLECUBE]
    for word in words:
        if word.lower() not in ROLES:
            raise bad_field("roles", "unknown", f"unsupported license target role: {word[:100]}")
    return list(dict.fromkeys(role for word in words for role in ROLES[word.lower()]))


def _words(texts: Iterable[str]) -> list[str]:
    return [word for text in texts for word in text.replace(",", " ").split()]
