"""sysctl(8) and modprobe(8)."""

from ablestack_api.core.runner import Runner

SECONDS = 10.0


def load_file(runner: Runner, path: str) -> None:
    runner.run(["sysctl", "-q", "-p", path], timeout=SECONDS)


def load_module(runner: Runner, module: str) -> None:
    runner.run(["modprobe", "--", module], timeout=SECONDS)
