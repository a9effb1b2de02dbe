"""The libvirt secret of the Ceph disk: never undefined, its key never in an argument (weakness 11)."""

from typing import Any

import pytest

from ablestack_api.core.errors import LibvirtFailed
from ablestack_api.core.secret import Secret
from ablestack_api.hypervisor import ceph_secret

UUID = "11111111-1111-1111-1111-111111111111"
KEY = "QVFCekFtcGxlS2V5Rm9yVGVzdHMwMTIzNDU2Nzg5MA=="  # invented


class Stored:
    def __init__(self, xml: str) -> None:
        self.xml = xml
        self.value = b""

    def UUIDString(self) -> str:  # noqa: N802  libvirt's name
        return UUID

    def setValue(self, value: bytes) -> None:  # noqa: N802  libvirt's name
        self.value = value


class Secrets:
    """libvirt's secrets; its test driver has none."""

    def __init__(self) -> None:
        self.stored: list[Stored] = []

    def call(self, work: Any, *, timeout: float) -> Any:
        return work(self)

    def ask_agent(self, *_what: Any, **_more: Any) -> Any:
        raise AssertionError("no guest is asked")

    def listAllSecrets(self) -> list[Stored]:  # noqa: N802  libvirt's name
        return self.stored

    def secretDefineXML(self, xml: str) -> Stored:  # noqa: N802  libvirt's name
        self.stored.append(Stored(xml))
        return self.stored[-1]


def test_it_is_defined_once_and_gets_each_new_key() -> None:
    secrets = Secrets()
    ceph_secret.ensure(secrets, UUID, Secret("b2xk"))
    ceph_secret.ensure(secrets, UUID, Secret(KEY + "\n"))
    assert [stored.value for stored in secrets.stored] == [b"AQBzAmpleKeyForTests01234567890"]
    assert UUID in secrets.stored[0].xml
    assert "client.admin secret" in secrets.stored[0].xml


@pytest.mark.parametrize("key", ["", "  ", "not base64!", "Error: no"])
def test_a_key_that_is_none_changes_nothing_and_is_not_told(key: str) -> None:
    secrets = Secrets()
    with pytest.raises(LibvirtFailed) as raised:
        ceph_secret.ensure(secrets, UUID, Secret(key))
    assert secrets.stored == []
    assert not key.strip() or key not in str(raised.value)
