"""Applying a cluster configuration to every node, or to this one (contract 01 §5.5 to §5.8, D13)."""

from dataclasses import dataclass, replace
from typing import Any

from ablestack_api.cluster import completed, edits, health, local_apply
from ablestack_api.cluster.completed import CHECK, INSERT, REMOVE, RESET
from ablestack_api.cluster.models import ApplyRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import BadInput, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, targets, transaction
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.orchestrator.transaction import Change
from ablestack_api.state import cluster_file, internal_token
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.state.cluster_file import ClusterFile

# A node's own worst case is a chrony restart (15 s) and the preparation of the host; in a check it probes all hosts at once.
APPLY_SECONDS = 90.0
CHECK_SECONDS = health.PROBE_SECONDS + 5.0


def apply(env: Env, request: ApplyRequest, holder: str, if_match: str | None, deadline: Deadline) -> dict[str, Any]:
    """The whole cluster. Raises BadInput, NotFound, RevisionChanged, Busy, PeersFailed; then nothing has changed."""
    present = cluster_file.read_or_empty(env.settings)
    cluster_file.require_match(present.etag, if_match)
    done = completed.complete(request, present.document)
    members = _targets(env, done, present.document)
    if not members:
        raise BadInput("no targets to apply", fields=[("hosts", "the cluster has no hosts")])
    if completed.action_of(done) == CHECK:
        return _check_everywhere(env, done, members, Deadline(env.clock, min(CHECK_SECONDS, deadline.remaining())))
    _refuse_without_common_token(env, done, members)
    outcomes = transaction.run(env, _change(env, done, present, members, holder), deadline)
    answer = {"code": 200, "message": "apply success", "results": [outcome.entry() for outcome in outcomes]}
    if any(member.local for member in members):
        answer["revision"] = local_apply.revision(env)
    return answer | _steps(outcomes)


def apply_here(env: Env, request: ApplyRequest, holder: str, if_match: str | None, deadline: Deadline) -> dict[str, Any]:
    """This node alone, as a node of 0.1.2 or an operator asks for it."""
    present = cluster_file.read_or_empty(env.settings)
    cluster_file.require_match(present.etag, if_match)
    done = completed.complete(request, present.document)
    action = completed.action_of(done)
    if action == CHECK:
        health.ping_hosts(env, done, deadline)
        return {"code": 200, "val": "Cluster Config PingCheck Success"}
    members = [targets.this_node(env.settings)]
    outcomes = transaction.run(env, _change(env, done, present, members, holder, here=True), deadline)
    return {"code": 200, "val": f"Cluster Config {action} Success"} | _steps(outcomes)


def _refuse_without_common_token(env: Env, request: ApplyRequest, members: list[Target]) -> None:
    """The token of a first insert is kept by its nodes: one that is none of them could never speak to them again."""
    takes_part = any(member.local for member in members)
    if completed.action_of(request) == INSERT and not takes_part and not internal_token.present(env.settings):
        raise bad_field("hosts", "this node is none of them", "run the first insert on one of the hosts it names")


def _change(
    env: Env,
    request: ApplyRequest,
    present: ClusterFile,
    members: list[Target],
    holder: str,
    *,
    here: bool = False,
) -> Change:
    token, backup_path = "", ""
    if completed.action_of(request) == INSERT:
        alone = here or completed.option_of(request) == "local"
        given = request.security.internal_token if alone else ""
        token = given or internal_token.present(env.settings) or cluster_file.new_token()
        request.security.internal_token = token
        backup_path = present.document.cluster.backup_path if completed.option_of(request) == "add" else ""
    payload = local_apply.payload_of(request, token, backup_path)
    return Change(local_apply.KIND, payload, members, holder, "apply failed", token or None, based_on=present.etag)


def _targets(env: Env, request: ApplyRequest, document: ClusterDocument) -> list[Target]:
    """Contract 01 §5.6. Guests that may not be deployed yet are optional; so is a host that is being removed."""
    scope = _Scope.of(env, request, document)
    action, option = completed.action_of(request), completed.option_of(request)
    if action == INSERT:
        return {"local": scope.this_node, "add": scope.hosts_and_known_guests}.get(option, scope.hosts)()
    if action == RESET:
        return scope.hosts()
    if action == REMOVE:
        return scope.hosts_and_guests(optional_host=request.remove_hostname)
    if option == "hostonly":
        return scope.hosts()
    return scope.hosts_and_guests() if option in ("", "all") else scope.hosts_and_scvms()


@dataclass(frozen=True)
class _Scope:
    """The nodes of a request: `wanted` is the cluster as it shall be, `document` as it is."""

    env: Env
    request: ApplyRequest
    document: ClusterDocument
    wanted: ClusterDocument

    @classmethod
    def of(cls, env: Env, request: ApplyRequest, document: ClusterDocument) -> "_Scope":
        wanted = document.model_copy(deep=True)
        if completed.action_of(request) == INSERT:
            edits.insert(wanted, request, "", "")
        return cls(env, request, document, wanted)

    def this_node(self) -> list[Target]:
        return [targets.this_node(self.env.settings)]

    def hosts(self) -> list[Target]:
        return targets.hosts(self.env.settings, self.wanted.cluster)

    def hosts_and_scvms(self) -> list[Target]:
        return [*self.hosts(), *self._scvms(self.wanted)]

    def hosts_and_guests(self, optional_host: str = "") -> list[Target]:
        hosts = [
            replace(target, optional=True) if target.hostname.lower() == optional_host.lower() else target
            for target in self.hosts()
        ]
        return [*hosts, *self._scvms(self.wanted), *self._ccvm()]

    def hosts_and_known_guests(self) -> list[Target]:
        """Storage VMs of hosts that were in the file before: those of new hosts are not there yet."""
        return [*self.hosts(), *self._scvms(self.document), *self._ccvm()]

    def _scvms(self, document: ClusterDocument) -> list[Target]:
        left_out = {name.lower() for name in self.request.new_hostname.replace(",", " ").split()}
        left_out.add(self.request.exclude_hostname.lower())
        excluded = {targets.scvm_name(host) for host in document.cluster.hosts if host.hostname.lower() in left_out}
        every = targets.scvms(self.env.settings, document.cluster, document.profile.bootstrap)
        return [target for target in every if target.hostname not in excluded]

    def _ccvm(self) -> list[Target]:
        return targets.ccvm(self.env.settings, self.wanted.cluster, self.document.profile.bootstrap)


def _check_everywhere(env: Env, request: ApplyRequest, members: list[Target], deadline: Deadline) -> dict[str, Any]:
    """Every node looks whether it reaches every host."""
    body = request.model_dump(by_alias=True, exclude={"transaction", "request", "security", "enrolment_codes"})

    def ask(target: Target) -> Outcome:
        if not target.local:
            return fanout.call(env, target, "POST", "/cube/cluster/apply-local", body=body, deadline=deadline)
        health.ping_hosts(env, request, deadline)
        return Outcome(target, fanout.OK, 200, "ok")

    outcomes = [fanout.skipped_if_optional(outcome) for outcome in fanout.at_once(members, ask)]
    results = [outcome.entry() for outcome in outcomes]
    if any(outcome.bad for outcome in outcomes):
        told = "; ".join(f"{outcome.target.hostname}: {outcome.message}" for outcome in outcomes if outcome.bad)
        raise PeersFailed(f"apply failed: {told}. A check changes nothing", results=results)
    return {"code": 200, "message": "apply success", "results": results}


def _steps(outcomes: list[Outcome]) -> dict[str, Any]:
    """What this node did beside its files; the other nodes' steps are in their own logs."""
    local = next((outcome for outcome in outcomes if outcome.target.local), None)
    steps = local.value.get("steps") if local is not None and isinstance(local.value, dict) else None
    return {"steps": steps} if steps else {}
