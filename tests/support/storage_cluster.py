"""A storage cluster behind the runner's seam: answers `ceph` with what a real one printed (tests/data/ceph)."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ablestack_api.core.errors import ApiError, CommandFailed
from ablestack_api.core.runner import Finished, Piped, last_lines
from ablestack_api.core.secret import Secret
from tests.support.doubles import UnexpectedCall

DATA = Path(__file__).parents[1] / "data/ceph"
FSID = "11111111-2222-4333-8444-555555555555"
FLAGS = ("noout", "nobackfill", "norecover")
RECORD = "ablestack/maintenance"
TIMED_OUT = CommandFailed("ceph ended with code 1: timed out", program="ceph", exit_code=1)
JSON = ["--format", "json"]


def recorded(name: str) -> str:
    return (DATA / name).read_text()


class StorageCluster:
    """Three storage hosts, healthy unless a test changes something. Calls may come side by side.

    `flags` are those set now, `keys` what the monitors keep for clients, `calls` every command in the order it ended.
    `printed` and `failures` are what a command (without options: `df detail`) prints or raises instead of the usual;
    `not_safe` the OSDs that Ceph would not let stop; `hold` makes a command wait until a test lets it go.
    """

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.keys: dict[str, str] = {}
        self.printed: dict[str, str] = {
            "-s": recorded("status_three.json"),
            "mgr stat": recorded("mgr_stat.json"),
            "df detail": recorded("df_detail.json"),
            "osd tree": recorded("osd_tree.json"),
            "mon metadata": recorded("mon_metadata.json"),
            "auth ls": recorded("auth_ls.json"),
            "auth get client.admin": recorded("keyring.txt"),
            "config generate-minimal-conf": recorded("minimal.conf"),
            "fsid": f"{FSID}\n",
        }
        self.dump = "osd_dump.json"
        self.failures: dict[str, ApiError] = {}
        self.not_safe: set[int] = set()
        self.hold: dict[str, threading.Event] = {}
        self.after: dict[str, Any] = {}
        self.calls: list[str] = []
        self.argvs: list[list[str]] = []
        self.unexpected: list[list[str]] = []
        self._lock = threading.Lock()

    def is_down(self) -> None:
        """No monitor answers anything."""
        self.failures = dict.fromkeys([*self.printed, "osd dump", f"config-key get {RECORD}", "osd set noout"], TIMED_OUT)

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        plain = [value.reveal() if isinstance(value, Secret) else value for value in argv]
        command = self._command(plain, timeout)
        if command in self.hold and not self.hold[command].wait(20):
            raise UnexpectedCall(f"nobody let {command} go")
        if command in self.failures:
            raise self.failures[command]
        with self._lock:
            code, stdout, stderr = self._answer(command, plain)
            self.calls.append(command)
        if command in self.after:
            self.after[command]()
        if code not in ok:
            raise CommandFailed(f"ceph ended with code {code}: {last_lines(stderr)}", program="ceph", exit_code=code)
        return Finished(stdout, stderr, code, 0.01)

    def pipe(self, source: Sequence[str], through: Sequence[str], *, into: IO[bytes] | None, timeout: float) -> Piped:
        raise UnexpectedCall(f"unexpected pipe {source}")

    def finish(self) -> None:
        if self.unexpected:
            raise AssertionError(f"these programs were not expected: {self.unexpected}")

    def _command(self, argv: list[str], timeout: float) -> str:
        """The command without options; every call must say how long it waits for a monitor (D27)."""
        self.argvs.append(argv)
        if argv[:2] != ["ceph", "--connect-timeout"] or not 0 < int(argv[2]) < timeout:
            raise self._refused(argv)
        words = [word for word in argv[3:] if word not in JSON and not word.startswith("--mon-client-hunt-interval=")]
        return " ".join(words[4:] if words[0] == "--conf" else words)

    def _answer(self, command: str, argv: list[str]) -> tuple[int, str, str]:
        if command in self.printed:
            return 0, self.printed[command], ""
        words = command.split()
        if command == "osd dump":
            return 0, self._dump(), ""
        if words[:2] in (["osd", "set"], ["osd", "unset"]):
            return self._flag(words[1], words[2])
        if words[:2] == ["osd", "ok-to-stop"]:
            return self._ok_to_stop({int(word) for word in words[2:]})
        if words[0] == "config-key":
            return self._config_key(argv[argv.index("config-key") :])
        raise self._refused(argv)

    def _dump(self) -> str:
        dump = json.loads(recorded(self.dump))
        dump["flags"] = ",".join([*sorted(self.flags), dump["flags"]])
        dump["flags_set"] = sorted([*dump["flags_set"], *self.flags])
        return "\n" + json.dumps(dump)

    def _flag(self, verb: str, flag: str) -> tuple[int, str, str]:
        self.flags = self.flags | {flag} if verb == "set" else self.flags - {flag}
        return 0, "", f"{flag} is {verb}\n"

    def _ok_to_stop(self, osds: set[int]) -> tuple[int, str, str]:
        if not osds & self.not_safe:
            return 0, recorded("ok_to_stop.json"), ""
        told = "Error EBUSY: unsafe to stop osd(s) at this time (9 PGs are or would become offline)\n"
        return 16, recorded("not_ok_to_stop.json"), told

    def _config_key(self, words: list[str]) -> tuple[int, str, str]:
        _, verb, key, *value = words
        if verb == "get":
            return (0, self.keys[key], "") if key in self.keys else (2, "", "Error ENOENT: \n")
        if verb == "set":
            self.keys[key] = value[0]
            return 0, "", f"set {key}\n"
        self.keys.pop(key, None)
        return 0, "", "key deleted\n"

    def _refused(self, argv: list[str]) -> UnexpectedCall:
        self.unexpected.append(argv)
        return UnexpectedCall(f"unexpected program {argv}")
