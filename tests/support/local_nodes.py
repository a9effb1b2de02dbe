"""Real daemons on this machine: each with its own loopback address, configuration root and sysroot.

A node answers for the one address it listens on, so three of them form a cluster without any privilege.
"""

import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.answer import Answer

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 15.0
STOP_SECONDS = 8.0


@dataclass
class LocalNode:
    """One daemon. `program` is what to start instead of `ablestack-api serve` (a test that kills it at a step)."""

    root: Path
    address: str
    port: int
    hostname: str
    environ: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = (sys.executable, "-m", "ablestack_api", "serve")
    process: subprocess.Popen[bytes] | None = None

    @property
    def cluster_json(self) -> Path:
        return self.root / "etc/ablestack/properties/cluster.json"

    @property
    def hosts_file(self) -> Path:
        return self.root / "etc/hosts"

    @property
    def state(self) -> Path:
        return self.root / "var/lib/ablestack"

    @property
    def full_environ(self) -> dict[str, str]:
        own = {
            "ABLESTACK_SYSROOT": str(self.root),
            "ABLESTACK_API_LISTEN": f"{self.address}:{self.port}",
            "ABLESTACK_API_PORT": str(self.port),
            "ABLESTACK_API_THREADS": "8",
            "ABLESTACK_LIBVIRT_URI": "test:///default",
        }
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8", **own, **self.environ}

    def lay_out(self, users: Sequence[str] = ()) -> None:
        """The files a package would have installed; the account that runs the test may use the API."""
        config = self.root / "etc/ablestack"
        (config / "properties").mkdir(parents=True)
        shutil.copy(REPOSITORY / "configs/properties/cluster.json", self.cluster_json)
        shutil.copytree(REPOSITORY / "configs/xml-template", config / "xml-template")
        account = pwd.getpwuid(os.geteuid()).pw_name
        auth = {"linux": {"allowed_users": [account, *users], "allowed_groups": []}, "access_token_ttl_seconds": 3600}
        (config / "auth.json").write_text(json.dumps({**auth, "access_token_secret": ""}))
        (self.root / "etc/hostname").write_text(f"{self.hostname}\n")
        self.hosts_file.write_text("127.0.0.1 localhost localhost.localdomain\n::1 localhost localhost.localdomain\n")
        numbers = f"x:{os.geteuid()}:{os.getegid()}"
        (self.root / "etc/passwd").write_text("".join(f"{name}:{numbers}::/:/bin/sh\n" for name in (account, *users)))

    def start(self, *, wait: bool = True) -> None:
        log = open(self.root / "daemon.log", "ab")  # noqa: SIM115  the child keeps it
        with log:
            self.process = subprocess.Popen(
                self.program, env=self.full_environ, stdout=log, stderr=log, cwd=REPOSITORY, start_new_session=True
            )
        if wait:
            self.wait_healthy()

    def wait_healthy(self, seconds: float = START_SECONDS) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"{self.hostname} ended with {self.process.returncode}:\n{self.log()}")
            try:
                if self.call("GET", "/health", timeout=1).status == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"{self.hostname} did not become healthy:\n{self.log()}")

    def stop(self) -> float:
        """SIGTERM; seconds until everything had ended."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL of the master and all workers: a power cut, as far as the files are concerned."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> float:
        if self.process is None:
            return 0.0
        started = time.monotonic()
        if number == signal.SIGKILL:
            _signal_group(self.process.pid, number)
        else:
            self.process.send_signal(number)
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        return time.monotonic() - started

    def log(self) -> str:
        path = self.root / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`ablestack-api …` on this node."""
        argv = [sys.executable, "-m", "ablestack_api", *arguments]
        return subprocess.run(argv, env=self.full_environ, capture_output=True, text=True, timeout=60, check=False)

    def token(self, *arguments: str) -> str:
        """What `ablestack-auth-token --plain` prints for this node."""
        argv = [sys.executable, "-m", "ablestack_api.auth_token", "--plain", *arguments]
        done = subprocess.run(argv, env=self.full_environ, capture_output=True, text=True, timeout=20, check=False)
        if done.returncode != 0:
            raise AssertionError(f"ablestack-auth-token ended with {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 100,
        source: str | None = None,
    ) -> Answer:
        """One request; paths are below /api/v1 unless they start with `//` (then from the root)."""
        target = path[1:] if path.startswith("//") else f"/api/v1{path}"
        connection = http.client.HTTPConnection(
            self.address, self.port, timeout=timeout, source_address=(source, 0) if source else None
        )
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        try:
            connection.request(method, target, data, {**sent, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            names = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        try:
            return Answer(answer.status, json.loads(text), names)
        except ValueError:
            return Answer(answer.status, text, names)

    def api(self, method: str, path: str, body: object = None, *, timeout: float = 100) -> Answer:
        """The same with a Bearer token of this node."""
        return self.call(method, path, body, headers={"Authorization": self.token()}, timeout=timeout)

    def cluster(self) -> Any:
        return json.loads(self.cluster_json.read_text())


def make_nodes(folder: Path, count: int, *, network: str = "127.77.0", port: int | None = None) -> list[LocalNode]:
    """Nodes cube1 … on 127.x addresses with one port that is free on all of them, laid out but not started."""
    addresses = [f"{network}.{number}" for number in range(1, count + 1)]
    port = port or free_port(addresses)
    nodes = [
        LocalNode(folder / f"cube{number}", address, port, f"cube{number}") for number, address in enumerate(addresses, 1)
    ]
    for node in nodes:
        node.lay_out()
    return nodes


def free_port(addresses: Sequence[str]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((addresses[0], 0))
            port: int = probe.getsockname()[1]
        if all(_is_free(address, port) for address in addresses):
            return port


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def insert_request(nodes: Sequence[LocalNode], cluster_type: str = "ablestack-vm", **more: object) -> dict[str, Any]:
    """A complete insert for these nodes; HCI types get storage addresses in the benchmarking range (never called)."""
    hci = cluster_type.startswith("ablestack-hci")
    hosts = [
        {
            "index": str(number),
            "hostname": node.hostname,
            "ablecube": node.address,
            **(_storage_addresses(number) if hci else {}),
        }
        for number, node in enumerate(nodes, 1)
    ]
    return {
        "action": "insert",
        "type": cluster_type,
        "ccvm": {"ip": "127.88.0.10"},
        "mngtNic": {"cidr": "24", "gw": "127.77.0.254", "dns": "127.77.0.253"},
        "pcs_cluster_list": [node.address for node in nodes],
        "hosts": hosts,
        "iscsi_storage": "false",
        **more,
    }


def _storage_addresses(number: int) -> dict[str, str]:
    return {
        "ablecubePn": f"198.18.20.{number}",
        "scvmMngt": f"127.88.1.{number}",
        "scvm": f"127.88.2.{number}",
        "scvmCn": f"198.18.30.{number}",
    }
