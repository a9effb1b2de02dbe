"""A node with an endpoint that no product has: `POST /test/<name>` does the work a test gave that name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Blueprint, Response

from ablestack_api.app import PREFIX
from ablestack_api.jobs import answer
from ablestack_api.web.endpoint import endpoint
from tests.contract.jobs.work_node import WorkNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WorkNode]:
    made = WorkNode(tmp_path)
    blueprint = Blueprint("test", __name__)

    @blueprint.post("/test/<name>")
    @endpoint("Work of a test")
    def work(name: str) -> Response:
        return answer.long_work(made.works[name])

    made.client.application.register_blueprint(blueprint, url_prefix=PREFIX)
    yield made
    made.let_go()
    made.finish()
