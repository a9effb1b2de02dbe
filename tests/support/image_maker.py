"""A double of the programs that make an ISO image: what the image would hold can be looked at."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import ApiError
from ablestack_api.core.runner import Finished
from ablestack_api.core.secret import Secret
from tests.support.doubles import QueuedRunner

HASH = "$6$saltsaltsaltsalt$hashhashhash"
OPENSSL = ["openssl", "passwd", "-6", "-stdin"]


@dataclass(frozen=True)
class InImage:
    content: str
    mode: int


class ImageMaker(QueuedRunner):
    """Serves `openssl passwd` and `genisoimage`; every other program must be expected."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, InImage] = {}
        self.folders: list[str] = []
        self.folder_modes: list[int] = []
        self.passwords: list[str] = []
        self.argv: list[str] = []
        self.fails: ApiError | None = None

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        plain = [value.reveal() if isinstance(value, Secret) else value for value in argv]
        if plain == OPENSSL:
            assert isinstance(stdin, Secret)
            self.passwords.append(stdin.reveal().rstrip("\n"))
            return Finished(f"{HASH}\n", "", 0, 0.01)
        if plain[0] == "genisoimage":
            return self._image(plain)
        return super().run(argv, timeout=timeout, stdin=stdin, ok=ok)

    def _image(self, argv: list[str]) -> Finished:
        self.argv = argv
        paths = [argument for argument in argv[1:] if argument.startswith("/") and not argument.endswith(".iso")]
        for path in paths:
            with open(path, encoding="utf-8") as file:
                self.files[os.path.basename(path)] = InImage(file.read(), stat.S_IMODE(os.stat(path).st_mode))
        self.folders.append(os.path.dirname(paths[0]))
        self.folder_modes.append(stat.S_IMODE(os.stat(self.folders[-1]).st_mode))
        if self.fails is not None:
            raise self.fails
        with open(argv[argv.index("-output") + 1], "w", encoding="utf-8") as file:
            file.write(f"image {len(self.folders)}\n" + self.files["user-data"].content)
        return Finished("", "", 0, 0.1)
