from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.network import Network


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path)
    yield network
    network.finish()
