"""One measured figure with its limit, as `make bench` prints it."""

import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Entry = dict[str, object]
COMPARISONS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """`comparison` and `limit` say what holds: `Figure("start_seconds", 0.9, "<=", 1.5)`. `beside` explains the value."""

    name: str
    value: float
    comparison: str
    limit: float
    beside: Mapping[str, object] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return COMPARISONS[self.comparison](self.value, self.limit)

    def entry(self) -> Entry:
        return {
            "value": round(self.value, 3),
            "limit": f"{self.comparison} {self.limit:g}",
            "ok": self.ok,
            **self.beside,
        }


def not_measured(reason: str) -> Entry:
    return {"value": None, "ok": False, "error": reason}


def say(text: str) -> None:
    """Progress, beside the figures."""
    print(text, file=sys.stderr, flush=True)
