"""POST /cube/cloudinit/…/generate: the drive made here and, for the Cloud Center VM, put on every host or on none.

The image itself goes to the hosts, so that all of them hold the same: the machine may first be started on any.
"""

import base64
import binascii
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ablestack_api.cloudinit import drive, guests
from ablestack_api.cloudinit.guests import Draft
from ablestack_api.cloudinit.models import CcvmRequest, FreeRequest, ScvmRequest
from ablestack_api.cloudinit.sources import CCVM
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict, PeersFailed, bad_field
from ablestack_api.core.secret import Secret
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import cluster_file

CCVM_PATH = "/cube/cloudinit/ccvm/generate"
LOCAL_HEADER = "X-Cube-CloudInit-Local"
INSTALL, RESTORE, FINISH = "install", "restore", "finish"
HELD = f"drive:{drive.usual_path(CCVM)}"
SECONDS = 300.0
UNDO_SECONDS = 30.0
REFUSED = 409  # by a host that did nothing: another change holds it
LARGEST_IMAGE = 16 * 1024 * 1024


@dataclass
class Generation:
    """One drive from request to its places. `hosts` are the nodes that get it, this one among them or alone."""

    env: Env
    draft: Draft
    password: Secret
    was_made: bool
    path: str
    hosts: list[Target]
    deadline: Deadline = field(init=False)
    change: str = field(default_factory=lambda: uuid.uuid4().hex)
    image: bytes = b""
    reached: list[Target] = field(default_factory=list)  # those that may have it
    warnings: list[str] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def held(self) -> str:
        """What only one job at a time may write."""
        return f"drive:{self.path}"

    def plan(self) -> Plan:
        names = ", ".join(host.hostname for host in self.hosts)
        return Plan(
            f"cloud-init drive of {self.draft.hostname}",
            [
                Step("make", "make the image from this host's keys, names, scripts and cluster.json", self._make),
                Step(
                    "install",
                    f"put it at {self.path} on {names}",
                    self._install,
                    undo=self._restore,
                    undo_if_failed=True,
                ),
            ],
        )

    def run(self, progress: Progress) -> dict[str, Any]:
        """The body of the answer. What the hosts kept aside goes when all have the image; one that does not hear it
        keeps a copy until the next time."""
        self.deadline = Deadline(self.env.clock, SECONDS)
        plan.run(self.plan(), progress)
        for outcome in self._everywhere(FINISH):
            if outcome.bad:
                progress.log(f"{outcome.target.hostname}: {outcome.message}")
        answer = {
            "code": 200,
            "val": drive.facts(self.env.settings, self.path),
            "message": f"{self.draft.kind} cloudinit iso create success",
            "action": "generate",
            "warnings": self.warnings,
            "results": self.results,
        }
        return answer | ({"password": self.password} if self.was_made else {})

    def _make(self) -> None:
        guest, self.warnings = guests.finished(self.env, self.draft, self.password)
        self.image = drive.make(self.env, guest)

    def _install(self) -> None:
        outcomes = self._everywhere(INSTALL, self.image)
        self.reached = [outcome.target for outcome in outcomes if outcome.sent and outcome.code != REFUSED]
        self.results = [{"message": "ok", **outcome.entry()} for outcome in outcomes]
        failed = [outcome for outcome in outcomes if outcome.bad]
        if len(self.hosts) == 1 and failed and failed[0].error is not None:
            raise failed[0].error
        if failed:
            told = "; ".join(f"{outcome.target.hostname}: {outcome.message}" for outcome in failed)
            raise PeersFailed(f"the image did not get to every host: {told}", results=self.results)

    def _restore(self) -> None:
        self.deadline = Deadline(self.env.clock, UNDO_SECONDS)
        self.hosts = self.reached
        failed = [outcome for outcome in self._everywhere(RESTORE) if outcome.bad]
        if failed:
            told = "; ".join(f"{outcome.target.hostname}: {outcome.message}" for outcome in failed)
            raise PeersFailed(f"the earlier image was not put back everywhere: {told}")

    def _everywhere(self, mode: str, image: bytes = b"") -> list[Outcome]:
        packed = base64.b64encode(zlib.compress(image, 9)).decode() if image else ""
        return fanout.at_once(self.hosts, lambda host: self._one(host, mode, packed))

    def _one(self, host: Target, mode: str, packed: str) -> Outcome:
        if host.local:
            _do(self.env, mode, self.path, self.change, self.image)
            return Outcome(host, fanout.OK, 200)
        body = {"mode": mode, "change": self.change, "image": packed}
        return fanout.call(self.env, host, "POST", CCVM_PATH, body=body, deadline=self.deadline, local_mode=LOCAL_HEADER)


def of_ccvm(env: Env, request: CcvmRequest) -> Generation:
    """Raises BadInput, and what reading cluster.json or the keys raises."""
    hosts = targets.hosts(env.settings, cluster_file.read(env.settings).document.cluster)
    draft = guests.of_ccvm(env.settings, request)
    if not any(host.local for host in hosts):
        raise Conflict("this node is no host of cluster.json; generate the drive on one of the hosts")
    return _generation(env, draft, request.password, drive.usual_path(draft.kind), hosts)


def of_scvm(env: Env, request: ScvmRequest) -> Generation:
    draft = guests.of_scvm(env.settings, request)
    return _generation(env, draft, request.password, drive.usual_path(draft.kind), [targets.this_node(env.settings)])


def of_form(env: Env, request: FreeRequest) -> Generation:
    path = drive.checked_path("iso_path", request.iso_path) if request.iso_path else ""
    draft = guests.of_form(env.settings, request)
    here = [targets.this_node(env.settings)]
    return _generation(env, draft, request.password, path or drive.usual_path(draft.kind), here)


def take(env: Env, request: CcvmRequest) -> dict[str, Any]:
    """This host's part of what another one leads. Raises BadInput."""
    image = _unpacked(request.image) if request.mode == INSTALL else b""
    _do(env, request.mode, drive.usual_path(CCVM), request.change, image)
    return {"code": 200, "val": request.mode, "message": "ok"}


def _generation(env: Env, draft: Draft, given: str, path: str, hosts: list[Target]) -> Generation:
    password, was_made = guests.chosen_password(given)
    return Generation(env, draft, password, was_made, path, hosts)


def _do(env: Env, mode: str, path: str, change: str, image: bytes) -> None:
    parts: dict[str, Callable[[], None]] = {
        INSTALL: lambda: drive.put(env.settings, path, image, change),
        RESTORE: lambda: drive.put_back(env.settings, path, change),
        FINISH: lambda: drive.settle(env, path, change),
    }
    if mode not in parts:
        raise bad_field("mode", f"is none of {', '.join(parts)}", "invalid local mode")
    parts[mode]()


def _unpacked(text: str) -> bytes:
    """At most 16 MiB, whatever it was compressed from."""
    try:
        unpacker = zlib.decompressobj()
        image = unpacker.decompress(base64.b64decode(text, validate=True), LARGEST_IMAGE)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise bad_field("image", f"cannot be unpacked: {error}") from error
    if not image or not unpacker.eof:
        raise bad_field("image", "is empty, cut off or too large")
    return image
