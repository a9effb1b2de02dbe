"""gunicorn around the application: one master, threaded workers, state only in files."""

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from ablestack_api.core.settings import Settings

if TYPE_CHECKING:
    from ablestack_api.env import Env

OVERRIDES = "gunicorn.conf.py"
# Work that is cut off here is settled by the next start; systemd would kill us after its own, longer limit.
GRACEFUL_SECONDS = 3
# Of these, for jobs that nobody waits for: to end, or to take back what they did.
JOBS_STOP_SECONDS = 2


class Server(BaseApplication):  # type: ignore[misc]
    """Settings first, then the operator's gunicorn.conf.py below the configuration root where there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in _options(self._settings).items():
            self.cfg.set(name, value)
        path = os.path.join(self._settings.config_root, OVERRIDES)
        if os.path.exists(path):
            for name, value in _overrides(path).items():
                self.cfg.set(name, value)

    def load(self) -> Any:
        # Imported in the worker: as soon as a page of the master's copy is touched there, it is paid for twice.
        from ablestack_api.app import create_app
        from ablestack_api.wiring import build_env

        return create_app(build_env(self._settings))


def _options(settings: Settings) -> dict[str, Any]:
    tls = {"certfile": settings.tls_certificate, "keyfile": settings.tls_key} if settings.tls_certificate else {}
    return {
        "bind": [_bind(settings)],
        "worker_class": "gthread",
        "workers": settings.workers,
        "threads": settings.threads,
        "preload_app": False,
        "timeout": 60,
        "graceful_timeout": GRACEFUL_SECONDS,
        "keepalive": 5,
        "worker_connections": 1000,
        "limit_request_line": 8190,
        "limit_request_fields": 100,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        "control_socket_disable": True,
        "post_worker_init": _start_threads,
        "worker_exit": _stop_jobs,
        **tls,
    }


def _bind(settings: Settings) -> str:
    host = f"[{settings.listen_host}]" if ":" in settings.listen_host else settings.listen_host
    return f"{host}:{settings.listen_port}"


def _start_threads(worker: Any) -> None:
    """After the fork: threads do not survive one. Only one worker at a time really settles (a lock sees to that)."""
    from ablestack_api.backup import scheduler
    from ablestack_api.cluster import known_hosts
    from ablestack_api.jobs import housekeeping
    from ablestack_api.orchestrator import recovery
    from ablestack_api.wiring import KINDS

    env: Env = worker.wsgi.extensions["ablestack_env"]
    threading.Thread(target=recovery.run_for_ever, args=(env, KINDS), name="recovery", daemon=True).start()
    # Each step of a job is a line in the journal.
    logging.getLogger("ablestack_api.jobs").setLevel(logging.INFO)
    keys = (env, lambda: worker.alive)
    threading.Thread(target=known_hosts.run_for_ever, args=keys, name="host keys", daemon=True).start()
    house = (env, worker.wsgi.extensions["ablestack_jobs"], lambda: worker.alive)
    threading.Thread(target=housekeeping.run, args=house, name="jobs", daemon=True).start()
    threading.Thread(target=scheduler.run_for_ever, args=house, name="schedules", daemon=True).start()


def _stop_jobs(_master: Any, worker: Any) -> None:
    """In the worker itself, when its requests are answered; in the master there is no application."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["ablestack_jobs"].stop(JOBS_STOP_SECONDS)


def _overrides(path: str) -> dict[str, Any]:
    import runpy

    return {name: value for name, value in runpy.run_path(path).items() if not name.startswith("_")}
