"""What an endpoint declares beside its URL: who may call it, what goes in and out. The description is made from it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from pydantic import BaseModel

from ablestack_api.core.errors import ApiError

View = TypeVar("View", bound=Callable[..., object])
ATTRIBUTE = "ablestack_endpoint"


class Access(Enum):
    OPEN = "open"
    OPEN_WITHOUT_QUERY = "open without a query, else any credential"
    ANY = "Bearer or internal token"
    BEARER = "Bearer"
    INTERNAL = "internal token"
    FIRST_TRUST = "Bearer or internal token; while the node is unconfigured, first trust"


@dataclass(frozen=True)
class Endpoint:
    summary: str
    returns: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    access: Access = Access.ANY
    errors: tuple[type[ApiError], ...] = ()


def endpoint(
    summary: str,
    *,
    returns: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    access: Access = Access.ANY,
    errors: tuple[type[ApiError], ...] = (),
) -> Callable[[View], View]:
    """Mark a view. A view without this mark is never served (the guard refuses it)."""

    def mark(view: View) -> View:
        setattr(view, ATTRIBUTE, Endpoint(summary, returns, body, query, access, errors))
        return view

    return mark


def of(view: object) -> Endpoint | None:
    return getattr(view, ATTRIBUTE, None)
