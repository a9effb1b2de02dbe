"""One node in a folder with doubles at the seams: for unit tests (its `env`) and contract tests (its `client`)."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from ablestack_api.app import create_app
from ablestack_api.auth import issue
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hypervisor.connection import SystemLibvirt
from tests.support.answer import Answer
from tests.support.doubles import QueuedClock, QueuedPeers, QueuedRunner, QueuedSsh

SIGNING_VALUE = "c2FtcGxlLXNpZ25pbmctdmFsdWUtZm9yLXRlc3RzMDE"  # contract 01 §2.1, invented there
INTERNAL_TOKEN = "sample-internal-token-0123456789-abcdefghij"
OWN_ADDRESS = "10.10.31.1"


class NodeUnderTest:
    """Node 1 of an invented cluster, 10.10.31.1 `ablecube31-1`, not configured unless a test writes cluster.json."""

    def __init__(self, root: Path, **environ: str) -> None:
        self.root = root
        self.clock = QueuedClock()
        self.runner = QueuedRunner()
        self.peers = QueuedPeers()
        self.ssh = QueuedSsh()
        defaults = {
            "ABLESTACK_API_LISTEN": f"{OWN_ADDRESS}:8090",
            "HOME": "/root",
            # A libvirt of its own: `test:///default` is one for the whole process.
            "ABLESTACK_LIBVIRT_URI": f"test://{root}/libvirt.xml",
        }
        self.settings = Settings({"ABLESTACK_SYSROOT": str(root), **defaults, **environ})
        self.env = Env(
            settings=self.settings,
            clock=self.clock,
            runner=self.runner,
            libvirt=SystemLibvirt(self.settings.libvirt_uri),
            peers=self.peers,
            ssh=self.ssh,
        )
        self._lay_out()

    @cached_property
    def client(self) -> FlaskClient:
        return create_app(self.env).test_client()

    @property
    def cluster_json(self) -> Path:
        return Path(self.settings.cluster_json)

    @property
    def hosts_file(self) -> Path:
        return self.root / "etc/hosts"

    def write_cluster(self, document: Any) -> None:
        """A file as it stands, or any JSON value."""
        self.cluster_json.write_bytes(document if isinstance(document, bytes) else json.dumps(document, indent=4).encode())

    def cluster(self) -> Any:
        return json.loads(self.cluster_json.read_text())

    def write_auth(self, **auth: Any) -> None:
        Path(self.settings.auth_json).write_text(json.dumps(auth))

    def bearer(self, user: str = "root", *, key: str = SIGNING_VALUE, ttl: int = 3600, **claims: object) -> dict[str, str]:
        """Headers of a person."""
        payload = {**issue.claims(user, int(self.clock.now().timestamp()), ttl), **claims}
        return {"Authorization": f"Bearer {issue.sign(payload, key)}"}

    def internal(self, token: str = INTERNAL_TOKEN) -> dict[str, str]:
        """Headers of a peer."""
        return {"X-Cube-Internal-Token": token}

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, address: str = "10.0.0.9"
    ) -> Answer:
        """One request below /api/v1, as a person unless `headers` says otherwise; `address` is the caller's."""
        sent = self.bearer() if headers is None else headers
        data = body if isinstance(body, bytes | str) or body is None else json.dumps(body)
        response = self.client.open(
            f"/api/v1{path}", method=method, data=data, headers=sent, environ_base={"REMOTE_ADDR": address}
        )
        text = response.get_data(as_text=True)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, json.loads(text) if response.is_json and text else text, headers)

    def finish(self) -> None:
        self.runner.finish()
        self.peers.finish()
        self.ssh.finish()

    def _lay_out(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "libvirt.xml").write_text("<node/>")
        for folder in ("etc/ablestack/properties", "var/lib/ablestack", "var/log/ablestack"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "etc/hostname").write_text("ablecube31-1\n")
        (self.root / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/bash\noperator:x:1000:1000::/home/operator:/bin/sh\n"
        )
        (self.root / "etc/group").write_text("root:x:0:\nwheel:x:10:operator\n")
        (self.root / "etc/shadow").write_text(
            "root:$6$salt$hash:19000:0:99999:7:::\noperator:$6$salt$hash:19000:0:99999:7:::\n"
        )
        self.hosts_file.write_text("127.0.0.1 localhost localhost.localdomain\n::1 localhost localhost.localdomain\n")
        self.write_auth(
            linux={"allowed_users": ["root"], "allowed_groups": ["wheel"]},
            access_token_ttl_seconds=3600,
            access_token_secret=SIGNING_VALUE,
        )
