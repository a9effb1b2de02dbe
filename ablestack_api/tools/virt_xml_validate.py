"""virt-xml-validate(1): libvirt's own schema of its XML."""

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 20.0


def domain_fault(runner: Runner, xml: str) -> str:
    """What the schema has against the XML of a domain; empty when nothing. Raises CommandTimedOut, ProgramMissing."""
    try:
        runner.run(["virt-xml-validate", "-", "domain"], stdin=xml, timeout=SECONDS)
    except CommandFailed as error:
        return error.detail
    return ""
