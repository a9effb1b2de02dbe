"""`ablestack-api serve` on a node whose disk is full: every new file fails with ENOSPC (where no tmpfs can be mounted)."""

import errno
import os
import sys
from typing import Any

from ablestack_api import cli
from ablestack_api.state import json_file


def main() -> int:
    def refuse(path: str, *_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    setattr(json_file, "_write_new", refuse)  # noqa: B010  mypy knows it as a function
    return cli.main(["serve"])


if __name__ == "__main__":
    sys.exit(main())
