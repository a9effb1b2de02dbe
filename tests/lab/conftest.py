"""Fixtures of the tests marked `lab`: real nodes, nothing replaced.

ABLESTACK_LAB_PROFILE (hci), ABLESTACK_LAB_SERVICES (all) and ABLESTACK_LAB_KEEP (empty) choose what is brought up and
whether it stays. A lab that was up before the tests stays up in any case.
"""

import os
import sys
from collections.abc import Iterator
from typing import cast

import pytest

from tests.lab import cluster, host, lifecycle, parallel, profile, service_setup
from tests.lab.errors import CannotRunError
from tests.lab.lab import Lab


def _say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr)


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    """The chosen profile's lab, up; shared by all tests, which leave it as they found it (see `lab`)."""
    chosen = profile.load(os.environ.get("ABLESTACK_LAB_PROFILE", "hci"))
    level = cast("service_setup.Level", os.environ.get("ABLESTACK_LAB_SERVICES", "all"))
    try:
        host.check()
    except CannotRunError as error:
        pytest.skip(f"no lab on this machine: {error}")
    stays = bool(lifecycle.leftovers(chosen.name) or os.environ.get("ABLESTACK_LAB_KEEP"))
    try:
        yield lifecycle.up(chosen, level, _say)
    finally:
        if not stays:
            lifecycle.abandon(chosen.name)


@pytest.fixture
def lab(running_lab: Lab) -> Iterator[Lab]:
    """The lab for one test; afterwards every cable is connected, every node on, every clock right."""
    yield running_lab
    running_lab.repair()


@pytest.fixture
def fresh_lab(lab: Lab) -> Lab:
    """The lab with the product on every node as if it was installed this moment: no cluster, no accounts' tokens."""
    parallel.each(lab.profile.nodes, lab.reset_product)
    lifecycle.wait_answering(lab)
    return lab


@pytest.fixture(scope="module")
def product_as_new(running_lab: Lab) -> Iterator[None]:
    """After the last test of the file the product of every node is as new."""
    yield
    parallel.each(running_lab.profile.nodes, running_lab.reset_product)


@pytest.fixture
def cluster_lab(product_as_new: None, lab: Lab) -> Lab:
    """The lab as one complete cluster with its guests, all marked as deployed; a good one is used again."""
    cluster.make_complete(lab)
    lifecycle.wait_answering(lab)
    return lab
