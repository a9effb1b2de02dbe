"""TLS for the listener and between peers: an option, tried on real daemons with a certificate of their own."""

import http.client
import json
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.support.local_nodes import LocalNode, insert_request, make_nodes

NETWORK = "127.77.3"


def test_a_cluster_is_applied_over_tls(tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    nodes = make_nodes(tmp_path, 2, network=NETWORK)
    try:
        for node in nodes:
            node.environ |= {"ABLESTACK_API_TLS_CERT": str(certificate), "ABLESTACK_API_TLS_KEY": str(key)}
            node.environ |= {"ABLESTACK_API_TLS_CA": str(certificate), "ABLESTACK_API_SCHEME": "https"}
            node.start(wait=False)
        trusted = ssl.create_default_context(cafile=str(certificate))
        for node in nodes:
            _wait_healthy(node, trusted)
        applied = _call(nodes[0], trusted, "POST", "/cube/cluster/apply", insert_request(nodes))
        assert [entry["outcome"] for entry in applied["results"]] == ["ok", "ok"]
    finally:
        for node in nodes:
            node.kill()


def _self_signed(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = f"subjectAltName=IP:{NETWORK}.1,IP:{NETWORK}.2"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=cube", "-addext", names]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def _wait_healthy(node: LocalNode, trusted: ssl.SSLContext) -> None:
    end = time.monotonic() + 15
    while True:
        try:
            assert _call(node, trusted, "GET", "/health")["status"] == "ok"
        except OSError:
            assert time.monotonic() < end, node.log()
            time.sleep(0.05)
        else:
            return


def _call(node: LocalNode, trusted: ssl.SSLContext, method: str, path: str, body: object = None) -> Any:
    connection = http.client.HTTPSConnection(node.address, node.port, timeout=60, context=trusted)
    headers = {"Authorization": node.token()} if body is not None else {}
    try:
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
