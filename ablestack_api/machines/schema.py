"""A rendered domain against libvirt's schema."""

from ablestack_api.core.errors import ProgramMissing
from ablestack_api.env import Env
from ablestack_api.hypervisor import templates
from ablestack_api.machines.node_facts import Check
from ablestack_api.tools import virt_xml_validate


def check(env: Env, template: str, xml: str) -> Check:
    """Raises TemplateUnusable; without the program the check is told as skipped."""
    try:
        fault = virt_xml_validate.domain_fault(env.runner, xml)
    except ProgramMissing as error:
        return Check("libvirt schema", "skipped", error.detail)
    if fault:
        raise templates.unusable(env.settings, template, f"gives a domain that libvirt's schema refuses: {fault}")
    return Check("libvirt schema")
