"""ipmitool(1): the management controllers of other machines."""

from ablestack_api.core.runner import Runner

SECONDS = 30.0  # its own patience ends after 20


def power_status(runner: Runner, address: str, port: int, user: str, password_file: str) -> str:
    """`Chassis Power is on`. The password is read from a file (its end of line does not count).

    Raises CommandFailed, CommandTimedOut, ProgramMissing.
    """
    where = ["-I", "lanplus", "-H", address, "-p", str(port), "-U", user, "-f", password_file]
    return runner.run(["ipmitool", *where, "power", "status"], timeout=SECONDS).stdout.strip()
