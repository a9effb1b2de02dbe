"""Reading a request: the body or the query as a typed model, with every wrong field named."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from flask import request
from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from werkzeug.exceptions import RequestEntityTooLarge

from ablestack_api.core.errors import BadInput, UnsupportedMediaType

M = TypeVar("M", bound=BaseModel)

# curl -d sends JSON under this type, and clients of 0.1.2 were never asked for one.
READ_AS_JSON = ("", "application/json", "application/x-www-form-urlencoded", "text/plain")
DEEPEST = 64
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def body(model: type[M], *, optional: bool = False) -> M:
    """The JSON body. Keys match in any case, as in 0.1.2. Raises BadInput, UnsupportedMediaType."""
    media = request.mimetype.lower()
    if media not in READ_AS_JSON and not media.endswith("+json"):
        raise UnsupportedMediaType(f"send application/json, not {media}")
    data = _data()
    if optional and not data.strip():
        return validated(model, {})
    return validated(model, _object(data))


def form_or_body(model: type[M]) -> M:
    """Form fields where there are any, else JSON (0.1.2's neighbour list takes both)."""
    # The body is read first: it cannot be had any more once the form was parsed from the connection.
    is_json = _data().lstrip().startswith(b"{")
    if request.mimetype in FORMS and not is_json and request.form:
        return validated(model, request.form.to_dict())
    return body(model)


def body_or_upload(
    model: type[M], names: Sequence[str], most: int, *, query_too: bool = False
) -> tuple[M, tuple[str, bytes] | None]:
    """JSON, or a form of at most `most` bytes with a file in the first of these fields: (fields, (file name, content)).

    With `query_too` the query gives what the body does not, and the body may be missing.
    """
    asked = request.args.to_dict() if query_too else {}
    if request.mimetype != "multipart/form-data":
        if not query_too:
            return body(model), None
        data = _data()
        return validated(model, asked | (_object(data) if data.strip() else {})), None
    request.max_content_length = most
    sent = {key: (file.filename or "", file.stream.read()) for key, file in request.files.items()}
    for _, files in request.files.lists():  # large ones are temporary files
        for file in files:
            file.close()
    return validated(model, asked | request.form.to_dict()), next((sent[name] for name in names if name in sent), None)


def query(model: type[M]) -> M:
    return validated(model, request.args.to_dict())


def validated(model: type[M], data: dict[str, Any]) -> M:
    try:
        return model.model_validate(_folded(model, data))
    except ValidationError as error:
        fields = [(".".join(str(part) for part in item["loc"]), _reason(item)) for item in error.errors()]
        first_field, first_reason = fields[0]
        raise BadInput(
            f"invalid request: {first_field}: {first_reason}" if first_field else f"invalid request: {first_reason}",
            fields=fields,
        ) from error


def _data() -> bytes:
    """The whole body. Werkzeug silently cuts a chunked one at the limit; here that is 413, as with a Content-Length."""
    data = request.get_data()
    limit = request.max_content_length
    cut = limit is not None and request.content_length is None and len(data) >= limit
    if cut and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return data


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"invalid request: the body is not JSON ({error})", fields=[("", "not JSON")]) from error
    if not isinstance(value, dict):
        raise BadInput("invalid request: the body is not a JSON object", fields=[("", "not an object")])
    if _is_deeper(value, DEEPEST):
        raise BadInput(
            f"invalid request: the body is nested deeper than {DEEPEST} levels", fields=[("", "nested too deeply")]
        )
    return value


def _is_deeper(value: object, limit: int) -> bool:
    """Level by level: no recursion of our own on what a stranger sent."""
    level = [value]
    for _ in range(limit):
        objects = [part for part in level if isinstance(part, dict)]
        lists = [part for part in level if isinstance(part, list)]
        level = [item for part in objects for item in part.values()] + [item for part in lists for item in part]
        if not level:
            return False
    return True


def _reason(item: Any) -> str:
    return str(item["msg"]).removeprefix("Value error, ")


def _folded(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """Keys that differ from a field's name (or alias) only in case get that name."""
    if not data:
        return {}
    known = {name.lower(): (name, field) for name, field in _names(model)}
    folded: dict[str, Any] = {}
    for key, value in data.items():
        name, field = known.get(key.lower(), (key, None))
        if name not in folded or key == name:
            folded[name] = _folded_value(field, value)
    return folded


def _folded_value(field: FieldInfo | None, value: Any) -> Any:
    nested = None if field is None else _nested_model(field.annotation)
    if nested is None:
        return value
    if isinstance(value, list):
        return [_folded(nested, item) if isinstance(item, dict) else item for item in value]
    return _folded(nested, value) if isinstance(value, dict) else value


def _names(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    pairs = []
    for name, field in model.model_fields.items():
        choices = (
            field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else [field.alias or name]
        )
        pairs += [(choice, field) for choice in choices if isinstance(choice, str)]
    return pairs


def _nested_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _nested_model(part)) is not None), None)
