"""Answers: JSON as 0.1.2 shaped it, in a stable order of keys."""

import json
from typing import Any

from flask import Response
from pydantic import BaseModel

from ablestack_api.state.cluster_document import layout

JSON_TYPE = "application/json"


def ok(value: BaseModel | dict[str, Any], *, headers: dict[str, str] | None = None, pretty: bool = False) -> Response:
    """200. A model's None fields are left out; `pretty` is for what 0.1.2 printed for people, with 4 spaces."""
    shape = value.model_dump(by_alias=True, exclude_none=True) if isinstance(value, BaseModel) else value
    return encoded(shape, 200, headers=headers, pretty=pretty)


def prepared(text: str) -> Response:
    """200 with JSON that was printed before."""
    return Response(text.encode("utf-8", "replace"), mimetype=JSON_TYPE)


def encoded(
    shape: Any, status: int, *, headers: dict[str, str] | None = None, pretty: bool = False, media: str = JSON_TYPE
) -> Response:
    text = layout(shape) if pretty else json.dumps(shape, ensure_ascii=False, separators=(",", ":"), default=str)
    response = Response(text.encode("utf-8", "replace"), status=status, mimetype=media)
    response.headers.update(headers or {})
    return response
