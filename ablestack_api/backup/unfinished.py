"""A copy in the making: its name is not one of a backup until it is proven."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime

from ablestack_api.env import Env
from ablestack_api.state import json_file

PARTIAL, MANIFEST = ".partial", ".json"


def free_path(env: Env, folder: str, name_at: Callable[[datetime], str]) -> str:
    """A name that is not taken. Two within one second: the second waits for the next one."""
    path = os.path.join(folder, name_at(env.clock.now()))
    while os.path.exists(path):
        env.clock.sleep(1.0)
        path = os.path.join(folder, name_at(env.clock.now()))
    return path


@contextlib.contextmanager
def named_when_proven(path: str) -> Iterator[str]:
    """Gives the temporary path. After an error the manifest of `path` is gone, and the temporary file in any case: who
    has proven it renames it."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}{PARTIAL}")
    try:
        yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(f"{path}{MANIFEST}")
        raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def digest(path: str) -> str:
    with json_file.told(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
