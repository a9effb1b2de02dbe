"""A bare Flask application under the daemon's own gunicorn settings: what the speed of /health is compared with."""

from typing import Any

from flask import Flask

from ablestack_api.core.settings import Settings
from ablestack_api.server import Server


class BareServer(Server):
    def load_config(self) -> None:
        super().load_config()
        self.cfg.set("post_worker_init", _nothing)

    def load(self) -> Any:
        app = Flask("bare")
        app.add_url_rule("/api/v1/health", view_func=health)
        return app


def health() -> dict[str, object]:
    return {"status": "ok", "code": 200, "message": "ok"}


def _nothing(_worker: Any) -> None:
    """The daemon starts its recovery thread here; the bare application has none."""


if __name__ == "__main__":
    BareServer(Settings.of_process()).run()
