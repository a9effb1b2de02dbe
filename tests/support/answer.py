"""An HTTP answer, however it was got."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """`body` is decoded JSON, or text when it is none; header names are in lower case."""

    status: int
    body: Any
    headers: dict[str, str]
