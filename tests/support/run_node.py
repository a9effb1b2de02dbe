"""`make run`: one node in a folder of the checkout, in the foreground, to try the API with curl and Swagger UI."""

import os
import sys
from pathlib import Path

from tests.support.local_nodes import REPOSITORY, LocalNode

ROOT = REPOSITORY / ".demo" / "node"


def main() -> int:
    node = LocalNode(Path(ROOT), "127.0.0.1", 8090, "cube1")
    if not ROOT.exists():
        node.lay_out()
    print(f"http://127.0.0.1:8090/swagger/index.html  (files in {ROOT}; Ctrl-C ends it)")
    print(f'curl -H "Authorization: {node.token()}" http://127.0.0.1:8090/api/v1/cube/cluster/config', flush=True)
    os.chdir(REPOSITORY)
    os.execve(sys.executable, [sys.executable, "-m", "ablestack_api", "serve"], node.full_environ)


if __name__ == "__main__":
    sys.exit(main())
