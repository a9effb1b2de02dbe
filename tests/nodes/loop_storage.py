"""A node of the whole system with real disks: real LVM, real file systems, in a mount namespace of its own.

Run as `unshare --mount python -m tests.nodes.loop_storage SCENARIO FOLDER DISK`; prints what happened as JSON. Files of the
machine stay as they are (overlays below FOLDER), LVM sees only DISK. The one stand-in is systemctl: no systemd runs here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ablestack_api.app import create_app
from ablestack_api.core.clock import SystemClock
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hypervisor.connection import SystemLibvirt
from tests.support import documents
from tests.support.doubles import QueuedPeers, QueuedSsh
from tests.support.node_under_test import INTERNAL_TOKEN

LOCAL, CLVM = "/cube/local/manage", "/cube/clvm/manage"
CONFIGURED, ALONE = "ablestack-standalone", ""
Step = tuple[int, Any]


def main() -> int:
    scenario, folder, disk = sys.argv[1:]
    _isolate(Path(folder), disk)
    node = RealNode(Path(folder), disk)
    found = SCENARIOS[scenario](node)
    print(json.dumps({"steps": found, "label": node.label(), "volumes": node.volumes()}))
    return 0


class RealNode:
    def __init__(self, folder: Path, disk: str) -> None:
        settings = Settings({"ABLESTACK_PROGRAM_PATH": f"{folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
        runner = SystemRunner(settings.program_path, "/root")
        self.env = Env(settings, SystemClock(), runner, SystemLibvirt("test:///default"), QueuedPeers(), QueuedSsh())
        self.disk = disk
        self.client = create_app(self.env).test_client()

    def configure(self) -> None:
        path = Path(self.env.settings.cluster_json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(documents.document(CONFIGURED)))

    def ask(self, path: str, body: dict[str, Any]) -> Step:
        """The status, and the value or the message."""
        headers = {"X-Cube-Internal-Token": INTERNAL_TOKEN}
        answer = self.client.post(f"/api/v1{path}", json=body, headers=headers)
        told = answer.get_json()
        return answer.status_code, told["val"] if answer.status_code == 200 else told["message"]

    def label(self) -> str:
        printed = subprocess.run(
            ["parted", "-s", "-m", self.disk, "print"], capture_output=True, text=True, check=False
        ).stdout
        return printed.splitlines()[1].split(":")[5] if len(printed.splitlines()) > 1 else ""

    def volumes(self) -> str:
        argv = ["pvs", "--noheadings", "-o", "pv_name,vg_name"]
        return " ".join(subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split())


def _local(node: RealNode) -> list[Step]:
    """Made, looked at, used, refused, removed."""
    node.configure()
    steps = [node.ask(LOCAL, {"action": "status"}), node.ask(LOCAL, {"action": "create", "disks": [node.disk]})]
    steps += [node.ask(LOCAL, {"action": "status"}), node.ask(LOCAL, {"action": "create", "disks": [node.disk]})]
    fstab = Path("/etc/fstab").read_text().splitlines()
    steps.append((len(fstab), fstab[-1]))
    with open("/mnt/glue/file", "w", encoding="utf-8"):
        steps.append(node.ask(LOCAL, {"action": "reset"}))
    steps += [node.ask(LOCAL, {"action": "reset"}), node.ask(LOCAL, {"action": "status"})]
    return [*steps, (0, Path("/etc/fstab").read_text())]


def _local_create(node: RealNode) -> list[Step]:
    node.configure()
    steps = [node.ask(LOCAL, {"action": "create", "disks": [node.disk]})]
    return [*steps, (os.path.exists("/mnt/glue"), Path("/etc/fstab").read_text())]


def _clvm(node: RealNode) -> list[Step]:
    """The node is in no cluster: nobody else has to see the disk."""
    Path(node.env.settings.cluster_json).parent.mkdir(parents=True, exist_ok=True)
    document = {"security": {"internal_token": INTERNAL_TOKEN}}
    Path(node.env.settings.cluster_json).write_text(json.dumps(document))
    create = {"action": "create", "disks": [node.disk]}
    steps = [node.ask(CLVM, create), node.ask(CLVM, {"action": "list"}), node.ask(CLVM, {**create, "force": True})]
    pair = steps[1][1][0]
    steps.append(node.ask(CLVM, {"action": "delete", "vg_name": pair["vg_name"], "pv_name": pair["pv_name"]}))
    return [*steps, node.ask(CLVM, {"action": "list"}), node.ask(CLVM, create)]


SCENARIOS = {"local": _local, "local-create": _local_create, "clvm": _clvm}


def _isolate(folder: Path, disk: str) -> None:
    """From here on nothing that is written to /etc, /var or /mnt is the machine's."""
    _run("mount", "--make-rprivate", "/")
    _run("mount", "-t", "tmpfs", "tmpfs", str(folder))
    for name in ("etc", "var"):
        for part in ("upper", "work"):
            (folder / name / part).mkdir(parents=True)
        options = f"lowerdir=/{name},upperdir={folder}/{name}/upper,workdir={folder}/{name}/work"
        _run("mount", "-t", "overlay", "-o", options, "overlay", f"/{name}")
    _run("mount", "-t", "tmpfs", "tmpfs", "/mnt")
    Path("/etc/lvm/lvmlocal.conf").write_text(f'devices {{ filter = [ "a|^{disk}|", "r|.*|" ] }}\n')
    Path("/etc/fstab").write_text("# the machine's\n\n")
    stub = folder / "bin/systemctl"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\nexit 0\n")
    stub.chmod(0o755)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=30)


if __name__ == "__main__":
    sys.exit(main())
