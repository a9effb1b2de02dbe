"""Three running nodes for one module of tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.local_nodes import LocalNode, make_nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[LocalNode]]:
    """cube1, cube2, cube3: running, not configured."""
    made = make_nodes(tmp_path, 3)
    try:
        for node in made:
            node.start(wait=False)
        for node in made:
            node.wait_healthy()
        yield made
    finally:
        for node in made:
            node.kill()
