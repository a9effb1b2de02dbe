"""Names and numbers of CLVM volume groups."""

import re
from collections.abc import Iterable

from ablestack_api.core.errors import bad_field
from ablestack_api.hosts import storage_names

PREFIX = "vg_clvm"
NAME = re.compile(rf"{PREFIX}([0-9]{{1,9}})")


def number(name: str) -> int | None:
    """None for a group that is not CLVM's."""
    found = NAME.fullmatch(name)
    return int(found[1]) if found else None


def name(value: int) -> str:
    return f"{PREFIX}{value:02d}"


def highest(names: Iterable[str]) -> int:
    return max((found for each in names if (found := number(each)) is not None), default=0)


def require_names(pairs: Iterable[tuple[str, str]]) -> None:
    """Raises BadInput: only groups that create made, or 0.1.2, are removed here."""
    for text, _ in pairs:
        if number(storage_names.vg_name(text, "vg_names")) is None:
            raise bad_field("vg_names", f"{text} is no CLVM group: these are called {name(1)}, {name(2)}, …")
