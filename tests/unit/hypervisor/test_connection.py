"""hypervisor with libvirt's own test driver."""

import threading
import time
from typing import Any

import pytest

from ablestack_api.core.errors import LibvirtFailed, LibvirtTimedOut
from ablestack_api.hypervisor import nwfilters
from ablestack_api.hypervisor.connection import SystemLibvirt

pytest.importorskip("libvirt")

SECONDS = 10.0


@pytest.fixture
def libvirt() -> SystemLibvirt:
    return SystemLibvirt("test:///default")


def names(connection: Any) -> list[str]:
    return sorted(domain.name() for domain in connection.listAllDomains())


def test_a_call(libvirt: SystemLibvirt) -> None:
    assert libvirt.call(names, timeout=SECONDS) == ["test"]


def test_one_connection_serves_many_calls(libvirt: SystemLibvirt) -> None:
    first = libvirt.call(lambda connection: connection, timeout=SECONDS)
    assert libvirt.call(lambda connection: connection is first, timeout=SECONDS)


def test_calls_side_by_side(libvirt: SystemLibvirt) -> None:
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda: answers.append(libvirt.call(names, timeout=SECONDS))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == [["test"]] * 8


def test_what_libvirt_refuses_is_told_in_its_own_words(libvirt: SystemLibvirt) -> None:
    with pytest.raises(LibvirtFailed, match="Domain not found") as caught:
        libvirt.call(lambda connection: connection.lookupByName("nobody"), timeout=SECONDS)
    assert caught.value.status == 502


def test_a_place_that_cannot_be_opened() -> None:
    with pytest.raises(LibvirtFailed):
        SystemLibvirt("test:///no/such/file.xml").call(names, timeout=SECONDS)


def test_an_error_of_the_work_itself_comes_through(libvirt: SystemLibvirt) -> None:
    def work(_connection: Any) -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        libvirt.call(work, timeout=SECONDS)


def test_a_hanging_call_costs_its_deadline_and_nobody_else(libvirt: SystemLibvirt) -> None:
    over = threading.Event()
    started = time.monotonic()
    with pytest.raises(LibvirtTimedOut) as caught:
        libvirt.call(lambda _connection: over.wait(SECONDS), timeout=0.1)
    assert (caught.value.status, time.monotonic() - started < SECONDS / 2) == (504, True)
    assert libvirt.call(names, timeout=SECONDS) == ["test"]
    over.set()


def test_a_connection_that_was_closed_is_opened_again(libvirt: SystemLibvirt) -> None:
    libvirt.call(lambda connection: connection.close(), timeout=SECONDS)
    assert libvirt.call(names, timeout=SECONDS) == ["test"]


def test_a_filter_where_the_driver_has_none(libvirt: SystemLibvirt) -> None:
    """The test driver does not know network filters."""
    with pytest.raises(LibvirtFailed, match="not supported"):
        nwfilters.ensure(libvirt, "allow-all", "<filter name='allow-all'/>")


class Filters:
    """A connection that knows network filters."""

    def __init__(self, known: list[str]) -> None:
        self.known = known

    def call(self, work: Any, *, timeout: float) -> Any:
        assert timeout > 0
        return work(self)

    def ask_agent(self, domain: str, command: str, *, timeout: float) -> str:
        raise AssertionError("no filter is asked of a guest")

    def listNWFilters(self) -> list[str]:  # noqa: N802  libvirt's name
        return self.known

    def nwfilterDefineXML(self, xml: str) -> None:  # noqa: N802  libvirt's name
        self.known.append(xml)


@pytest.mark.parametrize(("known", "defined"), [(["clean-traffic"], True), (["allow-all"], False), (["allow-all-x"], True)])
def test_a_filter_is_defined_once(known: list[str], defined: bool) -> None:
    filters = Filters(known)
    assert nwfilters.ensure(filters, "allow-all", "allow-all") is defined
    assert nwfilters.ensure(filters, "allow-all", "allow-all") is False
    assert filters.known.count("allow-all") == 1
