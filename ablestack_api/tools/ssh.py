"""ssh-keyscan(1) and the port of sshd_config(5)."""

from collections.abc import Sequence

from ablestack_api.core.runner import Runner

CONNECT_SECONDS = 1
OVERHEAD_SECONDS = 15.0
DEFAULT_PORT = 22


def read_host_keys(runner: Runner, hosts: Sequence[str], port: int) -> str:
    """known_hosts lines of the hosts that answered. Exit code 1 means that some did not."""
    argv = ["ssh-keyscan", "-T", str(CONNECT_SECONDS), "-p", str(port), "--", *hosts]
    return runner.run(argv, timeout=OVERHEAD_SECONDS + CONNECT_SECONDS * len(hosts), ok=(0, 1)).stdout


def configured_port(sshd_config: str) -> int:
    """The last `Port` before any `Match` block, else 22."""
    port = DEFAULT_PORT
    for line in sshd_config.splitlines():
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#"):
            continue
        if fields[0].lower() == "match":
            break
        if fields[0].lower() == "port" and fields[1].isdecimal() and 0 < int(fields[1]) < 65536:
            port = int(fields[1])
    return port
