"""One host's part in giving the Cloud Center VM its XML: check, secret, install, restore (contract 03 §3.1)."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ablestack_api.ccvm import xml
from ablestack_api.ccvm.xml_models import XmlRequest
from ablestack_api.core.errors import BadInput, bad_field
from ablestack_api.env import Env
from ablestack_api.hypervisor import ceph_secret, domain_xml, nwfilters
from ablestack_api.hypervisor.domain_xml import NotADomain
from ablestack_api.machines import node_facts
from ablestack_api.machines.node_facts import Check
from ablestack_api.state import cluster_file, json_file
from ablestack_api.tools import ceph

CHECK, SECRET, INSTALL, RESTORE = "check", "secret", "install", "restore"
# 0.1.2's texts; clients compare them.
SECRET_SET = "pcs 클러스터 secret.xml 설정 성공"  # noqa: S105
INSTALLED = "ccvm xml installed"
FILTER_NAME = "allow-all-traffic"
FILTER_XML = f"""<filter name='{FILTER_NAME}' chain='root'>
  <rule action='accept' direction='inout' priority='500'>
    <all/>
  </rule>
</filter>"""
FILE_MODE = 0o644


def take(env: Env, request: XmlRequest) -> dict[str, Any]:
    """Do the part that another node asks for; the body of the answer. Raises BadInput for an unknown one."""
    parts: dict[str, Callable[[Env, XmlRequest], tuple[Any, str]]] = {
        CHECK: lambda env, request: (check(env, request), "ok"),
        SECRET: lambda env, _request: (None, set_secret(env)),
        INSTALL: lambda env, request: (None, install(env, request.xml_content)),
        RESTORE: lambda env, request: (None, restore(env, request.xml_content)),
    }
    part = parts.get(request.mode.lower())
    if part is None:
        raise bad_field("mode", f"is none of {', '.join(parts)}", "invalid local mode")
    value, message = part(env, request)
    return {"code": 200, "val": message if value is None else value, "message": message}


def check(env: Env, request: XmlRequest) -> dict[str, Any]:
    """Can the machine run here as asked? Changes nothing.

    Returns `checks`, `bridges` (name -> linux, openvswitch or unseen), `earlier` (identities, the likeliest first) and
    `xml` (this node's copy now, null when there is none). Raises BadInput naming every field that this host cannot serve.
    """
    faults: list[BadInput] = []
    kinds: dict[str, str] = {}
    checks = [node_facts.cpu_check(env.settings, request.cpu)]
    try:
        checks.append(node_facts.require_memory(env.settings, "memory", request.memory))
    except BadInput as error:
        faults.append(error)
    for field, name in xml.bridges(request).items():
        try:
            kinds[name] = node_facts.bridge_kind(env, field, name)
        except BadInput as error:
            faults.append(error)
    node_facts.merged_faults(faults)
    if node_facts.UNSEEN in kinds.values():
        checks.append(Check("bridges", "skipped", "this node lives in a folder without sys/class/net"))
    files = xml.definition_files(env.settings, cluster_file.read(env.settings).document.cluster.type)
    earlier, looked = node_facts.earlier_identities(env, xml.NAME, files)
    return {
        "checks": [one.entry() for one in (*checks, looked)],
        "bridges": kinds,
        "earlier": [asdict(one) for one in earlier],
        "xml": _present(env),
    }


def set_secret(env: Env) -> str:
    """Give this host's libvirt the key with which it opens the machine's disk."""
    if not env.settings.is_whole_system:
        return "skipped: this node lives in a folder"
    ceph_secret.ensure(env.libvirt, xml.SECRET_UUID, ceph.read_key(env.runner, "client.admin"))
    return SECRET_SET


def install(env: Env, content: str | None) -> str:
    """Write this host's copy, after the filter that its network cards name is there."""
    text = (content or "").strip()
    if not text:
        raise bad_field("xml_content", "required", "xml_content required")
    _require_own_domain(text)
    if env.settings.is_whole_system:
        nwfilters.ensure(env.libvirt, FILTER_NAME, FILTER_XML)
    _write(env, f"{text}\n")
    return INSTALLED


def restore(env: Env, content: str | None) -> str:
    """Put back what was there before, or nothing."""
    if content is None:
        json_file.remove(xml.path(env.settings))
        return "ccvm xml removed"
    _write(env, content)
    return "ccvm xml restored"


def _write(env: Env, text: str) -> None:
    path = xml.path(env.settings)
    with json_file.locked(path):
        json_file.write_bytes(path, text.encode("utf-8", "surrogateescape"), mode=FILE_MODE)


def _present(env: Env) -> str | None:
    content = json_file.read_bytes(xml.path(env.settings))
    return None if content is None else content.decode("utf-8", "surrogateescape")


def _require_own_domain(text: str) -> None:
    try:
        found = domain_xml.read(text)
    except NotADomain as error:
        raise bad_field("xml_content", str(error)) from error
    if found.name != xml.NAME:
        raise bad_field("xml_content", f"is the domain {found.name}, not {xml.NAME}")
