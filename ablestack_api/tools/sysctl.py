"""sysctl(8) and modprobe(8)."""

from ablestack_api.core.runner import Runner

SECONDS = 10.0


def load_file(runner: Runner, path: str) -> None:
    runner.run(["sysctl", "-q", "-p", path], timeout=SECONDS)


def set_value(runner: Runner, key: str, value: str) -> None:
    """Now, not for the next start."""
    runner.run(["sysctl", "-q", "-w", f"{key}={value}"], timeout=SECONDS)


def load_module(runner: Runner, module: str) -> None:
    runner.run(["modprobe", "--", module], timeout=SECONDS)
