"""Fixtures for every kind of test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node_under_test import NodeUnderTest


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeUnderTest]:
    """A node in a folder; every expected program and call must have happened when the test ends."""
    under_test = NodeUnderTest(tmp_path)
    yield under_test
    under_test.finish()
