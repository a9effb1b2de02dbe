"""This node's part of a multipath sync (contract 02 §11): rescan, then take over the names of another node's maps.

multipathd keeps what it read of its files in memory and writes them itself, so it is stopped while they are replaced; the
kernel's maps work on meanwhile. A map in use is never taken away: multipathd renames it when it starts again.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.hosts import multipath_config, scsi_scan
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.state import multipath_files
from ablestack_api.state.multipath_files import Before
from ablestack_api.tools import dmsetup, multipath, systemctl, udev

UNIT, SOCKET = "multipathd", "multipathd.socket"
SUCCEEDED, FAILED = "succeeded", "failed"
UNCHANGED = "nothing to do: this node has these files already"
IN_A_FOLDER = "skipped: this node is a folder, nothing of the real system is touched"


@dataclass(frozen=True)
class Note:
    """How a step ended that did not fail, or may: `failure` is told, and the work goes on."""

    output: str = ""
    failure: str = ""


class Sync:
    """One sync on this node. `env` bounds what is done; what is taken back (`undo_env`) has time of its own.

    `texts` are the files by place; none on the node whose files they are.
    """

    def __init__(self, env: Env, undo_env: Env, texts: Mapping[str, str]) -> None:
        self._env = env
        self._undo_env = undo_env
        self._texts = texts
        self._settings_before: Before = {}
        self._files_before: Before = {}
        self._stopped = False
        # Decided once, when devices and settings are as they will be: a file written by a running multipathd is lost again.
        self._needed = False

    def steps(self) -> Iterator[Step]:
        yield rescan_step(self._env)
        yield Step(
            "mpathconf_enable",
            "switch multipath on",
            self._configure,
            self._unconfigure,
            undo_if_failed=True,
            commands=(["mpathconf", "--enable"],),
        )
        yield self._step("multipathd_enable", "run multipathd, now and at every start", self._enable, ("enable", "--now"))
        yield self._step("multipathd_socket_stop", "keep it from being woken", self._stop_socket, ("stop",), SOCKET)
        yield self._step("multipathd_stop", "stop multipathd", self._stop, ("stop",), undo=self._start_again)
        commands = (["multipath", "-f", "MAP"],)
        yield Step("multipath_flush", "take away the maps that nobody uses", self._flush, commands=commands)
        text = "replace bindings and wwids"
        yield Step("write_source_files", text, self._write, self._put_back, undo_if_failed=True)
        yield self._step("multipathd_restart", "start multipathd with them", self._restart, ("restart",))

    def _step(
        self,
        name: str,
        text: str,
        do: Callable[[], Note],
        words: tuple[str, ...],
        unit: str = UNIT,
        undo: Callable[[], None] | None = None,
    ) -> Step:
        return Step(name, text, do, undo, undo_if_failed=undo is not None, commands=(["systemctl", *words, "--", unit],))

    def _configure(self) -> Note:
        self._settings_before = multipath_files.snapshot(self._env.settings)
        return Note(multipath_config.enable(self._env))

    def _unconfigure(self) -> None:
        multipath_files.put_back(self._env.settings, self._settings_before)

    def _enable(self) -> Note:
        """Ends when what the rescan found has its maps, hence its names."""
        if not self._env.settings.is_whole_system:
            return Note(IN_A_FOLDER)
        systemctl.enable_now(self._env.runner, UNIT)
        with contextlib.suppress(ApiError):
            udev.settle(self._env.runner)
        return Note()

    def _stop_socket(self) -> Note:
        """Not critical: where there is no such unit, nothing wakes multipathd."""
        configured = multipath_files.snapshot(self._env.settings) != self._settings_before
        self._needed = configured or multipath_files.differs(self._env.settings, self._texts)
        try:
            return self._on_the_system(lambda: systemctl.stop(self._env.runner, SOCKET))
        except ApiError as error:
            return Note(failure=error.detail)

    def _stop(self) -> Note:
        def stop() -> None:
            self._stopped = True
            systemctl.stop(self._env.runner, UNIT)

        return self._on_the_system(stop)

    def _start_again(self) -> None:
        """With the settings and files that it ran with before."""
        if self._stopped:
            self._unconfigure()
            systemctl.start(self._undo_env.runner, UNIT)

    def _flush(self) -> Note:
        """Not critical: a map that stays gets its name when multipathd starts."""
        told: list[str] = []
        try:
            note = self._on_the_system(lambda: told.extend(self._flush_unused()))
        except ApiError as error:
            return Note(failure=error.detail)
        return Note("; ".join(told) or note.output)

    def _flush_unused(self) -> Iterator[str]:
        free, used = dmsetup.multipath_maps(dmsetup.read_maps(self._env.runner))
        for name in free:
            try:
                multipath.flush(self._env.runner, name)
            except ApiError as error:
                yield f"{name} stays: {error.detail}"
        if used:
            yield f"in use, not touched: {', '.join(used)}"

    def _write(self) -> Note:
        if not self._needed:
            return Note(UNCHANGED)
        self._files_before = multipath_files.write(self._env.settings, self._texts)
        return Note()

    def _put_back(self) -> None:
        multipath_files.put_back(self._env.settings, self._files_before)

    def _restart(self) -> Note:
        return self._on_the_system(lambda: systemctl.restart(self._env.runner, UNIT))

    def _on_the_system(self, work: Callable[[], object]) -> Note:
        if not self._needed:
            return Note(UNCHANGED)
        if not self._env.settings.is_whole_system:
            return Note(IN_A_FOLDER)
        work()
        return Note()


def rescan_step(env: Env) -> Step:
    def do() -> Note:
        found = scsi_scan.rescan(env)
        return Note("" if found else "there is no SCSI adapter")

    paths = [f"/{scsi_scan.SCSI_HOSTS}/{name}/scan" for name in scsi_scan.adapters(env)]
    return Step("rescan_scsi", "look for new SCSI devices", do, commands=[["tee", "--", path] for path in paths])


def node_plan(env: Env, undo_env: Env, texts: Mapping[str, str] | None) -> Plan:
    """`texts` by place; without them it ends after the rescan."""
    if texts is None:
        return Plan("rescan SCSI devices", [rescan_step(env)])
    return Plan("take over the names of multipath maps", list(Sync(env, undo_env, texts).steps()))


def run(wanted: Plan, progress: Progress) -> list[dict[str, str]]:
    """The steps as 0.1.2 told them. Raises what a critical step raises; its `steps` are in the same form."""
    try:
        notes = plan.run(wanted, progress)
    except ApiError as error:
        error.members["steps"] = [_failed_entry(entry) for entry in _begun(error.members.get("steps"))]
        raise
    return [_entry(step.name, notes[step.name]) for step in wanted.steps]


def _entry(name: str, note: Note) -> dict[str, str]:
    entry = {"name": name, "status": FAILED if note.failure else SUCCEEDED, "message": note.failure or "ok"}
    return entry | ({"output": note.output} if note.output else {})


def _begun(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries or [] if entry["outcome"] != plan.NOT_BEGUN]


def _failed_entry(entry: dict[str, Any]) -> dict[str, str]:
    failed = entry["outcome"] in (plan.FAILED, plan.UNDO_FAILED)
    good = "done, then undone" if entry["outcome"] == plan.UNDONE else "ok"
    message = entry.get("message") or ("failed" if failed else good)
    return {"name": entry["step"], "status": FAILED if failed else SUCCEEDED, "message": message}
