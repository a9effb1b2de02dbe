"""nmcli(1): what NetworkManager says of the network devices."""

import re
from dataclasses import dataclass

from ablestack_api.core.runner import Runner

SECONDS = 5.0
FIELDS = "DEVICE,TYPE,STATE,CON-PATH"
_PIECE = re.compile(r"\\(.)|(:)|([^\\:]+)|(\\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Device:
    """`connection_path` is the D-Bus path of its active connection, empty without one."""

    name: str
    type: str
    state: str
    connection_path: str = ""


def read_devices(runner: Runner) -> list[Device]:
    """Raises CommandFailed (code 8: NetworkManager does not run), CommandTimedOut, ProgramMissing."""
    return parse_devices(runner.run(["nmcli", "-t", "-e", "yes", "-f", FIELDS, "device", "status"], timeout=SECONDS).stdout)


def parse_devices(printed: str) -> list[Device]:
    """Lines with at least device, type and state; whatever else stands there is no device."""
    lines = [split_terse(line) for line in printed.split("\n") if line]
    return [Device(*fields[:4]) for fields in lines if len(fields) >= 3 and fields[0] and fields[1]]


def split_terse(line: str) -> list[str]:
    r"""The values of a line of `nmcli -t -e yes`: separated by colons, `\:` and `\\` stand for a colon and a backslash."""
    values = [""]
    for escaped, separator, plain, lone in _PIECE.findall(line):
        if separator:
            values.append("")
        else:
            values[-1] += escaped or plain or lone
    return values
