"""Several nodes that reach each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.network import Network


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    under_test = Network(tmp_path)
    yield under_test
    under_test.finish()
