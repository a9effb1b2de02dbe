"""`ablestack-api serve` with work that only a test has: `POST /test/work` makes steps until it is told to end.

Body: `seconds` for each of `steps` steps, `hold`, `cancellable`. A file of the node's root tells what was done and undone.
"""

import sys
import time
from typing import Any

from flask import Blueprint, Flask, Response, request

from ablestack_api import app, cli
from ablestack_api.env import Env
from ablestack_api.jobs import answer, plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.work import Work
from ablestack_api.web import context
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("test", __name__)


@blueprint.post("/test/work")
@endpoint("Work of a test")
def work() -> Response:
    asked: dict[str, Any] = request.get_json()
    diary = context.env().settings.below("diary")
    steps = [_step(f"step-{number}", asked["seconds"], diary) for number in range(1, asked.get("steps", 1) + 1)]
    return answer.long_work(
        Work(
            "test work",
            lambda progress: {"code": 200, "val": plan.run(Plan("test work", steps), progress)},
            holds=(asked.get("hold", "vm:ccvm"),),
            cancellable=asked.get("cancellable", False),
            look_at="the diary",
        )
    )


def _step(name: str, seconds: float, diary: str) -> Step:
    def do() -> str:
        _write(diary, f"begin {name}")
        time.sleep(seconds)
        _write(diary, f"end {name}")
        return name

    return Step(name, f"the step {name}", do, undo=lambda: _write(diary, f"undo {name}"))


def _write(diary: str, line: str) -> None:
    with open(diary, "a") as file:
        file.write(f"{line}\n")


def main() -> int:
    create = app.create_app

    def with_the_test(env: Env) -> Flask:
        made = create(env)
        made.register_blueprint(blueprint, url_prefix=app.PREFIX)
        return made

    app.create_app = with_the_test
    return cli.main(["serve"])


if __name__ == "__main__":
    sys.exit(main())
