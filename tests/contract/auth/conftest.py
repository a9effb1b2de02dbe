"""Fixtures of the auth endpoints."""

from pathlib import Path

import pytest

from tests.contract.auth.three_nodes import ThreeNodes


@pytest.fixture
def cluster(tmp_path: Path) -> ThreeNodes:
    """Three nodes of type ablestack-vm with one internal token and one signing value."""
    return ThreeNodes(tmp_path)
