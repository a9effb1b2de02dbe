"""lspci(8), package pciutils."""

import re

from ablestack_api.core.runner import Runner

SECONDS = 5.0


def read(runner: Runner) -> list[dict[str, str]]:
    """Every PCI device with its kernel driver, as lspci names things. Raises as the runner does."""
    return parse(runner.run(["lspci", "-vmm", "-k"], timeout=SECONDS).stdout)


def parse(printed: str) -> list[dict[str, str]]:
    """Blocks of `Key: value` lines between blank lines; the last value of a repeated key counts."""
    devices: list[dict[str, str]] = []
    for block in re.split(r"\n\s*\n", printed):
        pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
        device = {key.strip(): value.strip() for key, value in pairs}
        if device:
            devices.append(device)
    return devices
