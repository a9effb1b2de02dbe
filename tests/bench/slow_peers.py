"""Little servers that answer like the API of another node, after a while: `python -m tests.bench.slow_peers SECONDS PORT
ADDRESS …`. Prints `ready`; ends when its standard input ends, so it never outlives the bench."""

import asyncio
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.support.local_nodes import REPOSITORY

PROBE = b"GET /api/v1/cube/cluster/health HTTP/1.1\r\n"
BODY = b'{"status":"ok"}'
# Closing makes every probe connect anew, as between nodes that were not in touch lately.
HEAD = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


@contextmanager
def running(addresses: Sequence[str], port: int, seconds: float) -> Iterator[None]:
    """All of them in one helper process."""
    argv = [sys.executable, "-m", "tests.bench.slow_peers", str(seconds), str(port), *addresses]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != b"ready":
                raise RuntimeError("the helper process with the peers did not start")
            yield
        finally:
            process.kill()


async def _serve(seconds: float, port: int, addresses: Sequence[str]) -> None:
    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(seconds)
        status = b"200 OK" if head.startswith(PROBE) else b"404 NOT FOUND"
        writer.write(HEAD % (status, len(BODY)) + BODY)
        await writer.drain()
        writer.close()

    for address in addresses:
        await asyncio.start_server(answer, address, port)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
