"""`POST /cube/security/patch`: the nodes of the cluster hardened, their SSH port moved (contract 06 §3.1).

Only addresses of cluster.json are called (D7), at most four at a time; this node comes last. Each node's script holds a
lock of its own, so a second call from anywhere changes nothing beside the first.
"""

import os
import re
import threading
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import BadInput, Conflict, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.ops import patch_node
from ablestack_api.ops.patch_models import PatchRequest, PatchResult
from ablestack_api.ops.patch_node import ABLECUBE, CCVM, SCVM, Node, Order
from ablestack_api.orchestrator import fanout, hand_on, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file, json_file, own_node
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.tools import ssh as ssh_tool

CONFIG_PATH = "/cube/system/config"
CONFIG_SECONDS = 60.0
AT_ONCE = 4
ALL = "all"
USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")

Told = dict[str, Any]


def work(env: Env, request: PatchRequest) -> Work:
    """Raises BadInput before anything is called."""
    kinds = _checked(env, request)
    document = cluster_file.read(env.settings).document
    if request.update_json_file:
        return Work("security patch: flag", lambda _: _set_flag(env, request, document))
    order = _order(env, request, document)
    if request.dry_run:
        return Work("security patch", lambda _: _shown(env, request, kinds, document, order), reads_only=True)
    return Work(
        "security patch",
        lambda progress: _patched(env, request, kinds, document, order, progress),
        holds=("security-patch",),
        look_at="ssh -p PORT NODE /etc/ablestack/shell/security_patch.sh --dry-run, which tells what is not done yet",
    )


def nodes(env: Env, request: PatchRequest, kinds: set[str], document: ClusterDocument) -> list[Node]:
    """Who is patched, by the mode of the request."""
    if request.ceph_ssh_change:
        return [_here(env, ABLECUBE)]
    if request.local and not request.add_host:
        return [_here(env, _local_kind(env, request, document))]
    if request.add_host:
        return [_here(env, ABLECUBE), *_own_scvm(env, document)]
    return _gathered(env, kinds, document)


def _checked(env: Env, request: PatchRequest) -> set[str]:
    """The kinds of nodes that are asked for. Raises BadInput."""
    if request.json_path:
        if not os.path.isabs(request.json_path):
            raise bad_field("json", "must be an absolute path", "json must be an absolute path")
        if os.path.realpath(request.json_path) != os.path.realpath(env.settings.cluster_json):
            raise bad_field("json", f"only this node's own is taken: {env.settings.cluster_json}")
    for name in ("new_port", "ssh_port"):
        port = getattr(request, name)
        if port is not None and not 1 <= port <= 65535:
            raise bad_field(name, "must be 1 to 65535", f"invalid port: {port}")
    for name in ("port_change", "ceph_ssh_change"):
        if getattr(request, name) and request.new_port is None:
            raise bad_field("new_port", f"required with {name}", f"{name} requires new_port")
    if not USER.fullmatch(request.ssh_user):
        raise bad_field("ssh_user", "is no name of an account")
    asked = [text.strip().lower() for text in request.targets if text.strip()] or [ALL]
    for kind in asked:
        if kind not in (ABLECUBE, SCVM, CCVM, ALL):
            raise bad_field("targets", "is none of ablecube, scvm, ccvm, all", f"invalid target: {kind[:100]}")
    return {ABLECUBE, SCVM, CCVM} if ALL in asked else set(asked)


def _order(env: Env, request: PatchRequest, document: ClusterDocument) -> Order:
    return Order(
        user=request.ssh_user,
        port=request.ssh_port or _own_port(env),
        cluster_type=document.cluster.type,
        new_port=request.new_port,
        port_only=request.port_change,
        ceph_only=request.ceph_ssh_change,
    )


def _own_port(env: Env) -> int:
    text = json_file.read_bytes(env.settings.below("etc/ssh/sshd_config")) or b""
    return ssh_tool.configured_port(text.decode("utf-8", "replace"))


def _gathered(env: Env, kinds: set[str], document: ClusterDocument) -> list[Node]:
    """One entry an address, sorted by it."""
    config, flags = document.cluster, document.profile.bootstrap
    every = (
        (ABLECUBE, targets.hosts(env.settings, config)),
        (SCVM, targets.scvms(env.settings, config, flags, storage_network=True)),
        (CCVM, targets.ccvm(env.settings, config, flags)),
    )
    found: dict[str, Node] = {}
    for kind, members in every:
        for target in members if kind in kinds else ():
            found.setdefault(target.address, Node(target, kind, patch_node.script_of(env, kind)))
    return sorted(found.values(), key=lambda node: _sortable(node.target.address))


def _sortable(address: str) -> tuple[int, int, str]:
    try:
        parsed = ip_address(address)
    except ValueError:
        return (9, 0, address)
    return (parsed.version, int(parsed), "")


def _here(env: Env, kind: str) -> Node:
    return Node(targets.this_node(env.settings), kind, patch_node.script_of(env, kind))


def _local_kind(env: Env, request: PatchRequest, document: ClusterDocument) -> str:
    named = [text.strip().lower() for text in request.targets if text.strip().lower() in (ABLECUBE, SCVM, CCVM)]
    own = [node.kind for node in _gathered(env, {ABLECUBE, SCVM, CCVM}, document) if node.target.local]
    return (named or own or [ABLECUBE])[0]


def _own_scvm(env: Env, document: ClusterDocument) -> list[Node]:
    """The storage VM of this very host, by the address that cluster.json gives it."""
    own = own_node.find_self(env.settings, document.cluster)
    members = targets.scvms(env.settings, document.cluster, document.profile.bootstrap, storage_network=True)
    if own is None and members:
        raise Conflict(
            "this host is not in cluster.json: which storage VM is its own cannot be known. Apply the cluster first"
        )
    return [
        Node(replace(target, optional=False), SCVM, patch_node.GUEST_SCRIPT)
        for target in members
        if own is not None and target.address == own.scvm
    ]


def _shown(env: Env, request: PatchRequest, kinds: set[str], document: ClusterDocument, order: Order) -> Told:
    results = [patch_node.shown(node, order) for node in nodes(env, request, kinds, document)]
    return _envelope(env, request, order, results)


def _patched(
    env: Env, request: PatchRequest, kinds: set[str], document: ClusterDocument, order: Order, progress: Progress
) -> Told:
    chosen = nodes(env, request, kinds, document)
    results: dict[str, PatchResult] = {}
    gate = threading.BoundedSemaphore(AT_ONCE)
    by_address = {node.target.address: node for node in chosen}

    def there(target: Target) -> Outcome:
        with gate:
            results[target.address] = patch_node.run_there(env, by_address[target.address], order)
        return Outcome(target, fanout.OK, 200)

    with progress.step("others", "the patch on other nodes"):
        _all_good(fanout.at_once([node.target for node in chosen if not node.target.local], there))
    for node in chosen:
        if node.target.local:
            with progress.step("own", "the patch on this node"):
                results[node.target.address] = patch_node.run_here(env, node, order)
    for node in chosen:
        _log(progress, results[node.target.address])
    told = [_skipped_if_not_deployed(node, results[node.target.address]) for node in chosen]
    return _judged(_envelope(env, request, order, told), told)


def _all_good(outcomes: Iterable[Outcome]) -> None:
    """What a node answers is in its result; anything else is a fault of ours."""
    for outcome in outcomes:
        if outcome.bad:
            raise PeersFailed(f"{outcome.target.hostname}: {outcome.message}", results=[outcome.entry()])


def _skipped_if_not_deployed(node: Node, result: PatchResult) -> PatchResult:
    if result.ok or not node.target.optional or result.rc != patch_node.NO_LOGIN:
        return result
    told = f"not deployed yet (systemProfile.bootstrap.{node.kind} is not true): {result.stderr}"
    return result.model_copy(update={"skipped": told})


def _log(progress: Progress, result: PatchResult) -> None:
    progress.log(f"{result.ip} ({result.target_kind}): {'done' if result.ok else f'failed: {result.stderr}'}")
    for line in result.changes or []:
        progress.log(f"{result.ip}: {line}")


def _envelope(env: Env, request: PatchRequest, order: Order, results: list[PatchResult]) -> Told:
    bad = [result for result in results if not result.ok and result.skipped is None]
    summary: Told = {
        "json": env.settings.cluster_json,
        "total": len(results),
        "success": sum(result.ok for result in results),
        "failed": len(bad),
        "dryRun": request.dry_run,
        "maxRetries": patch_node.TRIES,
        "retryDelaySec": int(patch_node.PAUSE),
        "successPattern": patch_node.DONE,
        "clusterType": order.cluster_type,
        "connectPort": order.port,
        "sshUser": order.user,
    }
    summary |= {"requestedNewPort": order.new_port} if order.new_port else {}
    summary |= {"alone": True, "scvmIncluded": any(each.target_kind == SCVM for each in results)} if request.add_host else {}
    summary |= {"cephSshChange": True} if request.ceph_ssh_change else {}
    summary |= {} if results else {"message": "no targets"}
    shapes = [result.model_dump(by_alias=True, exclude_none=True) for result in results]
    return {"code": 200, "val": {"summary": summary, "targets": shapes}, "retname": request.retname, "message": "ok"}


def _judged(answer: Told, results: list[PatchResult]) -> Told:
    """Raises PeersFailed with the whole answer when a node failed: 0.1.2 said 207 and `ok`."""
    bad = [result for result in results if not result.ok and result.skipped is None]
    if not bad:
        return answer
    told = "; ".join(f"{each.ip} ({each.target_kind}): {each.stderr or f'code {each.rc}'}" for each in bad)
    raise PeersFailed(
        f"the security patch failed on {len(bad)} of {len(results)} nodes: {told}"[:2000],
        val=answer["val"],
        retname=answer["retname"],
    )


def _set_flag(env: Env, request: PatchRequest, document: ClusterDocument) -> Told:
    """On every host or on none: the cluster's own configuration call makes it. With `local` on this node alone."""
    if request.local:
        cluster_file.edit(env.settings, _mark)
        results: list[Told] = []
    else:
        own = next((target for target in targets.hosts(env.settings, document.cluster) if target.local), None)
        if own is None:
            raise Conflict(
                "this node is no host of cluster.json; ask a host of the cluster", retname=f"{request.retname} Error"
            )
        body = {"action": "update", "option": "all", "depth1": "security_patch", "depth2": "status", "value": "true"}
        try:
            answer = hand_on.call(env, own, CONFIG_PATH, body, Deadline(env.clock, CONFIG_SECONDS), "")
        except (BadInput, Conflict, PeersFailed) as error:
            error.detail = f"security patch error: {error.detail}"
            error.members = {**error.members, "retname": f"{request.retname} Error"}
            raise
        value = answer.get("val")
        results = list(value.get("results", ())) if isinstance(value, dict) else []
    message = "security_patch.status updated to true" + ("" if request.local else " for all ablecube hosts")
    summary = {"message": message, "json": env.settings.cluster_json, "val": "security_patch.status = true"}
    summary["clusterType"] = document.cluster.type
    told: Told = {"summary": summary} | ({"results": results} if results else {})
    return {"code": 200, "val": told, "retname": request.retname, "message": message}


def _mark(document: ClusterDocument) -> None:
    document.profile.security_patch.status = "true"
