"""POST /cube/ccvm/xml: one rendering for all hosts; every host takes it or none does (contract 03 §3.1).

Hosts are called by their management address, which every cluster type has. A bridge, the memory and an earlier definition
are looked at on every host before anything is written, for the machine may be started on any of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ablestack_api.ccvm import xml, xml_node
from ablestack_api.ccvm.xml_models import XmlRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, BadInput, Conflict, PeersFailed
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor.machine_identity import Identity
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.machines import schema
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import ClusterConfig

PATH = "/cube/ccvm/xml"
LOCAL_HEADER = "X-Cube-CCVM-XML-Local"
MODE_HEADER = "X-Cube-CCVM-XML-Mode"
SECONDS = 300.0
UNDO_SECONDS = 30.0
REFUSED = 409  # by a host that did nothing: another change holds it
# 0.1.2's text; clients compare it.
SUCCESS = "클라우드센터 가상머신 xml 생성 성공"


def prepare(env: Env, request: XmlRequest) -> Plan:
    """Check the request and say what will be done. Raises BadInput, and what reading cluster.json raises."""
    return _distribution(env, request).plan()


def apply(env: Env, request: XmlRequest, progress: Progress) -> dict[str, Any]:
    """Render and install everywhere; the body of the answer."""
    work = _distribution(env, request)
    plan.run(work.plan(), progress)
    return {
        "code": 200,
        "val": SUCCESS,
        "message": SUCCESS,
        "xml_path": xml.path(env.settings),
        "results": work.results,
        "checks": work.checks,
    }


def _distribution(env: Env, request: XmlRequest) -> "_Distribution":
    config = cluster_file.read(env.settings).document.cluster
    xml.require(request, config.type)
    hosts = targets.hosts(env.settings, config)
    if not hosts:
        raise Conflict("hosts[].ablecube required: cluster.json names no host to install the XML on")
    return _Distribution(env, request, config, hosts, Deadline(env.clock, SECONDS))


@dataclass
class _Distribution:
    env: Env
    request: XmlRequest
    config: ClusterConfig
    hosts: list[Target]
    deadline: Deadline
    text: str = ""
    reached: list[Target] = field(default_factory=list)  # those that the last part may have come to
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # by address: what `check` found
    checks: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)

    def plan(self) -> Plan:
        names = ", ".join(host.hostname for host in self.hosts)
        steps = [Step("check", f"look at bridges, memory and earlier definitions on {names}", self._check)]
        steps.append(Step("render", f"render {xml.TEMPLATE} and hold it against libvirt's schema", self._render))
        if self.config.is_hci:
            steps.append(Step("secret", f"give libvirt the Ceph key on {names}", self._set_secret))
        text = f"write {xml.path(self.env.settings)} on {names}"
        steps.append(Step("install", text, self._install, undo=self._restore, undo_if_failed=True))
        return Plan("XML of the Cloud Center VM", steps)

    def _check(self) -> None:
        for outcome in self._everywhere(xml_node.CHECK):
            value = outcome.value if isinstance(outcome.value, dict) else {}
            self.facts[outcome.target.address] = value
            self.checks += [{**check, "hostname": outcome.target.hostname} for check in value.get("checks", [])]
        self._require_one_kind_of_bridges()

    def _require_one_kind_of_bridges(self) -> None:
        """One XML is for all hosts, so a bridge must be of one kind on all of them."""
        for name in xml.bridges(self.request).values():
            kinds = {host.hostname: self._kinds(host).get(name, "") for host in self.hosts}
            if len(set(kinds.values())) > 1:
                told = ", ".join(f"{kind} on {hostname}" for hostname, kind in kinds.items())
                raise Conflict(f"the bridge {name} is not of the same kind on all hosts: {told}")

    def _render(self) -> None:
        who = xml.identity(self.config, self.request, self._earlier())
        self.text = xml.render(self.env, self.config, self.request, who, self._kinds(self.hosts[0]))
        self.checks.append(schema.check(self.env, xml.TEMPLATE, self.text).entry())

    def _earlier(self) -> list[Identity]:
        """What the hosts know of the machine, each host's likeliest before any host's second."""
        lists = [self.facts[host.address].get("earlier", []) for host in self.hosts]
        longest = max((len(found) for found in lists), default=0)
        found = [one[position] for position in range(longest) for one in lists if len(one) > position]
        return [Identity(str(one.get("uuid", "")), tuple(one.get("macs", ()))) for one in found]

    def _set_secret(self) -> None:
        self._everywhere(xml_node.SECRET, told=True)

    def _install(self) -> None:
        self._everywhere(xml_node.INSTALL, content=lambda _host: self.text, told=True)

    def _restore(self) -> None:
        """Every host that may have the new one gets back what it had, those that failed or fell silent too."""
        self.deadline = Deadline(self.env.clock, UNDO_SECONDS)
        self.hosts = self.reached
        self._everywhere(xml_node.RESTORE, content=lambda host: self.facts[host.address].get("xml"))

    def _kinds(self, host: Target) -> Mapping[str, str]:
        kinds = self.facts[host.address].get("bridges", {})
        return kinds if isinstance(kinds, dict) else {}

    def _everywhere(
        self, mode: str, *, content: Callable[[Target], str | None] | None = None, told: bool = False
    ) -> list[Outcome]:
        """Do one part on every host side by side; `told` puts it into the answer's results. Raises when one fails."""
        outcomes = fanout.at_once(self.hosts, lambda host: self._one(host, mode, content(host) if content else None))
        self.reached = [outcome.target for outcome in outcomes if outcome.sent and outcome.code != REFUSED]
        entries = [_entry(outcome, mode) for outcome in outcomes]
        self.results += entries if told else []
        failed = [outcome for outcome in outcomes if outcome.bad]
        if failed:
            raise _error(failed, self.results if told else [*self.results, *entries])
        return outcomes

    def _one(self, host: Target, mode: str, content: str | None) -> Outcome:
        part = self.request.model_copy(update={"mode": mode, "xml_content": content})
        if host.local:
            return Outcome(host, fanout.OK, 200, value=xml_node.take(self.env, part)["val"])
        return fanout.call(
            self.env, host, "POST", PATH, body=part.model_dump(), deadline=self.deadline, local_mode=LOCAL_HEADER
        )


def _entry(outcome: Outcome, mode: str) -> dict[str, Any]:
    """0.1.2's element of `results`: a good one has a message too."""
    message = outcome.value if isinstance(outcome.value, str) else "ok"
    return {"message": message, **outcome.entry(), "step": mode}


def _error(failed: list[Outcome], results: list[dict[str, Any]]) -> ApiError:
    """The kind of error that the failures have in common: what only the caller can correct is 400 or 409."""
    first = failed[0]
    message = "; ".join(f"{outcome.target.hostname}: {outcome.message}" for outcome in failed)
    if len(failed) == 1 and first.error is not None:
        first.error.detail = message
        first.error.members["results"] = results
        return first.error
    codes = {outcome.code for outcome in failed}
    kind = {frozenset([400]): BadInput, frozenset([409]): Conflict}.get(frozenset(codes), PeersFailed)
    fields = [pair for outcome in failed if outcome.error is not None for pair in outcome.error.fields]
    return kind(message, fields=fields if kind is BadInput else (), results=results)
