"""ssh-keyscan(1) and the port of sshd_config(5)."""

from collections.abc import Collection, Mapping

from ablestack_api.core.runner import Runner

CONNECT_SECONDS = 1
OVERHEAD_SECONDS = 15.0
DEFAULT_PORT = 22


def read_host_keys(runner: Runner, places: Mapping[str, Collection[str]], port: int) -> str:
    """known_hosts lines of the addresses that answered, one for each of their names. Exit code 1: some did not answer.

    Each address is asked once, whatever it is called: sshd drops callers that come too many at a time (MaxStartups).
    """
    asked = "".join(f"{address} {','.join(sorted(names))}\n" for address, names in sorted(places.items()))
    argv = ["ssh-keyscan", "-T", str(CONNECT_SECONDS), "-p", str(port), "-f", "-"]
    return runner.run(argv, stdin=asked, timeout=OVERHEAD_SECONDS + CONNECT_SECONDS * len(places), ok=(0, 1)).stdout


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
