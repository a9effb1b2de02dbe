"""What gives /nfs of the Cloud Center VM the space that its disk was enlarged by: sgdisk, parted, LVM, xfs_growfs.

Its installer made the disk's third partition a physical volume of the group rl, with /nfs on the volume nfs.
"""

import shlex

from ablestack_api.core.runner import Runner

SECONDS = 600.0
COMMANDS = (
    ("sgdisk", "-e", "/dev/vda"),
    ("parted", "--script", "/dev/vda", "resizepart", "3", "100%"),
    ("pvresize", "/dev/vda3"),
    ("lvextend", "-l", "+100%FREE", "/dev/rl/nfs"),
    ("xfs_growfs", "/nfs"),
)


def shell_line() -> str:
    """For the guest agent, which runs one program. Each command only when the one before it went well."""
    return " && ".join(shlex.join(command) for command in COMMANDS)


def run(runner: Runner) -> None:
    """In the guest itself. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    for command in COMMANDS:
        runner.run(command, timeout=SECONDS)
