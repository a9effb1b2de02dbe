"""Virtual machines for tests: libvirt's own test driver with domains of ours, and a guest agent that a test scripts."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import libvirt

from ablestack_api.hypervisor.connection import SystemLibvirt
from tests.support.node_under_test import NodeUnderTest

T = TypeVar("T")

CCVM_UUID = "5f0d1c7e-0000-4000-8000-0123456789ab"
CCVM_MAC = "00:24:81:0a:0b:0c"

DOMAIN = """\
  <domain type='test'>
    <name>{name}</name>
    <uuid>{uuid}</uuid>
    <memory unit='GiB'>{memory}</memory>
    <currentMemory unit='GiB'>{memory}</currentMemory>
    <vcpu>{vcpus}</vcpu>
    <os><type>hvm</type></os>
    <devices>
      <disk type='file' device='disk'>
        <driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
      </disk>
{nics}
    </devices>
  </domain>
"""
NIC = "      <interface type='{kind}'><mac address='{mac}'/><source {kind}='{source}'/><model type='virtio'/></interface>"


def domain(
    name: str = "ccvm",
    *,
    uuid: str = CCVM_UUID,
    memory: int = 2,
    vcpus: int = 8,
    disk: str = "/mnt/glue/ccvm.qcow2",
    nics: tuple[tuple[str, str, str], ...] = (("bridge", CCVM_MAC, "bridge7"),),
) -> str:
    """A domain for the test driver; network cards as (kind, hardware address, source)."""
    cards = "\n".join(NIC.format(kind=kind, mac=mac, source=source) for kind, mac, source in nics)
    return DOMAIN.format(name=name, uuid=uuid, memory=memory, vcpus=vcpus, disk=disk, nics=cards)


class ScriptedAgent(SystemLibvirt):
    """libvirt's test driver, which knows no guest agent; what the agent answers to a command is the test's.

    `hooks` are called instead of a method of libvirt (`create`, `shutdown`, `defineXML` …) with the real one as argument.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.answers: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.hooks: dict[str, Callable[[Callable[..., Any]], Any]] = {}

    def call(self, work: Callable[[Any], T], *, timeout: float) -> T:
        return super().call(lambda connection: work(_Hooked(connection, self.hooks)), timeout=timeout)

    def refuses(self, method: str) -> None:
        """From now on libvirt fails at a method."""

        def refuse(_real: Callable[..., Any]) -> None:
            raise libvirt.libvirtError(f"{method} was refused")

        self.hooks[method] = refuse

    def ignores(self, method: str) -> None:
        """From now on a method does nothing."""
        self.hooks[method] = lambda _real: 0

    def ask_agent(self, domain: str, command: str, *, timeout: float) -> str:
        message = json.loads(command)
        self.asked.append(message)
        answer = self.answers.get(message["execute"])
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, list) and message["execute"].startswith("guest-exec"):
            answer = answer.pop(0)
        return json.dumps({"return": answer(message) if callable(answer) else answer})


class _Hooked:
    """A connection or a domain of libvirt with some methods replaced."""

    def __init__(self, real: Any, hooks: dict[str, Callable[[Callable[..., Any]], Any]]) -> None:
        self._real = real
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        def called(*arguments: Any) -> Any:
            hook = self._hooks.get(name)
            result = method(*arguments) if hook is None else hook(lambda: method(*arguments))
            if isinstance(result, list):
                return [self._wrapped(each) for each in result]
            return self._wrapped(result)

        return called

    def _wrapped(self, value: Any) -> Any:
        return _Hooked(value, self._hooks) if isinstance(value, libvirt.virDomain | libvirt.virConnect) else value


def with_domains(node: NodeUnderTest, *domains: str, prepare: Callable[[Any], Any] | None = None) -> ScriptedAgent:
    """Give a node a hypervisor with these domains, all running; `prepare` is done with its connection first."""
    path = Path(node.root) / "node.xml"
    path.write_text(f"<node>\n{''.join(domains)}</node>\n")
    hypervisor = ScriptedAgent(f"test://{path}")
    node.env = replace(node.env, libvirt=hypervisor)
    if prepare is not None:
        hypervisor.call(prepare, timeout=5)
    return hypervisor


def switched_off(name: str) -> Callable[[Any], Any]:
    return lambda connection: connection.lookupByName(name).destroy()
