"""Who a machine is: the same at every rendering, and never changed under it (weaknesses 15, 16)."""

import uuid

import pytest

from ablestack_api.hypervisor import machine_identity
from ablestack_api.hypervisor.machine_identity import Identity

OLD = Identity("5f0d1c7e-0000-4000-8000-0123456789ab", ("00:24:81:0a:0b:0c",))
XML = """<domain><name>ccvm</name><uuid>{uuid}</uuid><devices>
<interface type='bridge'><mac address='{mac}'/></interface></devices></domain>"""


def test_the_same_question_has_the_same_answer() -> None:
    first = machine_identity.settled("ccvm", "10.10.31.10", 2, [])
    assert first == machine_identity.settled("ccvm", "10.10.31.10", 2, [])
    assert str(uuid.UUID(first.uuid)) == first.uuid
    assert len(set(first.macs)) == 2
    assert all(machine_identity.is_unicast(mac) and mac.startswith("00:24:81:") for mac in first.macs)
    assert all(int(mac.split(":")[3], 16) < 0x80 for mac in first.macs)


def test_another_cluster_is_another_machine() -> None:
    here, there = (machine_identity.settled("ccvm", address, 2, []) for address in ("10.10.31.10", "10.10.32.10"))
    assert here.uuid != there.uuid
    assert set(here.macs).isdisjoint(there.macs)


def test_an_earlier_definition_is_kept_and_only_what_it_lacks_is_derived() -> None:
    kept = machine_identity.settled("ccvm", "10.10.31.10", 2, [None, OLD])
    assert (kept.uuid, kept.macs[0]) == (OLD.uuid, OLD.macs[0])
    assert kept.macs[1] == machine_identity.settled("ccvm", "10.10.31.10", 2, []).macs[1]


def test_a_definition_of_0_1_2_without_uuid_keeps_its_mac() -> None:
    found = machine_identity.of_xml(XML.format(uuid="", mac="00:24:81:7F:00:01"), "ccvm")
    assert found == Identity("", ("00:24:81:7f:00:01",))
    settled = machine_identity.settled("ccvm", "10.10.31.10", 1, [found])
    assert settled.macs == ("00:24:81:7f:00:01",)
    assert settled.uuid == machine_identity.settled("ccvm", "10.10.31.10", 1, []).uuid


def test_two_cards_never_share_an_address() -> None:
    twice = Identity("", ("00:24:81:00:00:01", "00:24:81:00:00:01"))
    macs = machine_identity.settled("ccvm", "10.10.31.10", 2, [twice]).macs
    assert len(set(macs)) == 2


@pytest.mark.parametrize(
    "mac", ["01:24:81:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "00:24:81", "", "zz:24:81:00:00:01"]
)
def test_an_address_that_no_card_can_have_is_not_taken_over(mac: str) -> None:
    found = machine_identity.of_xml(XML.format(uuid="no-uuid", mac=mac), "ccvm")
    assert found == Identity("", ())


@pytest.mark.parametrize(
    "text", [None, "", "<domain>", XML.format(uuid=OLD.uuid, mac="00:24:81:00:00:01").replace("ccvm", "other")]
)
def test_what_is_no_definition_of_the_machine_says_nothing(text: str | None) -> None:
    assert machine_identity.of_xml(text, "ccvm") is None
