"""libvirt's own judgement of a domain's XML: its schema, and its test driver, which parses as the others do."""

import shutil
import subprocess

import libvirt
import pytest

PROGRAM = "virt-xml-validate"
needs_schema = pytest.mark.skipif(
    shutil.which(PROGRAM) is None, reason="virt-xml-validate (libvirt-clients) is not installed"
)


def fault(xml: str) -> str:
    """What the schema has against it; empty when nothing."""
    done = subprocess.run([PROGRAM, "-", "domain"], input=xml, text=True, capture_output=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def define_twice(xml: str) -> str:
    """Define, and define again, as `virsh define` does; returns the UUID that libvirt has then."""
    connection = libvirt.open("test:///default")
    try:
        first = connection.defineXML(xml).UUIDString()
        second = connection.defineXML(xml).UUIDString()
        assert first == second
        return str(second)
    finally:
        connection.close()
