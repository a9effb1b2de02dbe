"""The description of the API, made from the blueprints and models, and Swagger UI served from the package."""

import re
from typing import Any

from flasgger import Swagger
from flask import Flask, Response, redirect
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from ablestack_api.core.errors import ApiError, Unauthorized
from ablestack_api.web import endpoint, reply
from ablestack_api.web.endpoint import Access, Endpoint

PREFIX = "/api/v1"
UI = "/swagger/index.html"
DOCUMENT = "/swagger/doc.json"
OPEN_VIEWS = ("flasgger.apidocs", "flasgger.static", "flasgger.document")
SCHEMAS = "#/components/schemas/{model}"
METHODS = ("GET", "POST", "PUT", "DELETE")
# A view that calls this (jobs.answer) also answers 202; its own code says so, nobody has to remember to declare it.
LONG_WORK = "long_work"
Json = dict[str, Any]
Names = dict[type[BaseModel], str]


class _Description(Swagger):  # type: ignore[misc]
    """flasgger brings the pages and the route of the document; the document is ours."""

    def get_apispecs(self, endpoint: str = "document") -> Json:
        return describe(self.app)


def install(app: Flask) -> None:
    _Description(
        app,
        config={
            "headers": [],
            "specs": [{"endpoint": "document", "route": DOCUMENT}],
            "static_url_path": "/swagger/assets",
            "specs_route": UI,
            "oauth_redirect": "/swagger/oauth2-redirect.html",
            "title": "ABLESTACK API",
        },
    )
    mark = endpoint.endpoint("Swagger UI", access=Access.OPEN)
    for name in OPEN_VIEWS:
        app.view_functions[name] = mark(_callable(app.view_functions[name]))

    @mark
    def to_ui() -> Any:
        return redirect(UI)

    @mark
    def document() -> Response:
        return reply.ok(describe(app))

    for number, path in enumerate(("/swagger", f"{PREFIX}/swagger", f"{PREFIX}/swagger/index.html")):
        app.add_url_rule(path, f"swagger_redirect_{number}", to_ui)
    app.add_url_rule(f"{PREFIX}{DOCUMENT}", "swagger_document", document)


def describe(app: Flask) -> Json:
    """The OpenAPI 3.0 document of every endpoint below /api/v1."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(PREFIX) and _declared(app, rule)]
    declared = [_declared(app, rule) for rule in rules]
    models = {model for found in declared if found for model in (found.body, found.query, found.returns) if model}
    schemas, names = _schemas(models)
    paths: Json = {}
    for rule in sorted(rules, key=lambda rule: rule.rule):
        found = _declared(app, rule)
        if found is None or found.summary == "Swagger UI":
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(PREFIX))
        for method in sorted(set(rule.methods or ()) & set(METHODS)):
            operation = _operation(rule, found, method, schemas, names)
            paths.setdefault(path, {})[method.lower()] = _long(operation) if _is_long(app, rule) else operation
    return {
        "openapi": "3.0.3",
        "info": {"title": "ABLESTACK API", "version": "1.0", "description": "Management daemon of a Cube node."},
        "servers": [{"url": PREFIX}],
        "components": {"schemas": {**schemas, "Problem": PROBLEM}, "securitySchemes": SECURITY},
        "paths": paths,
    }


PROBLEM: Json = {
    "type": "object",
    "description": "The body of every error: 0.1.2's code and err_code, and RFC 9457",
    "properties": {
        "code": {"type": "integer"},
        "err_code": {"type": "integer"},
        "message": {"type": "string", "description": "what failed, in what state things are, what to do"},
        "type": {"type": "string", "example": "urn:ablestack:error:bad_input"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "request id"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
SECURITY: Json = {
    "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "InternalToken": {"type": "apiKey", "in": "header", "name": "X-Cube-Internal-Token"},
}
CREDENTIALS: dict[Access, list[Json]] = {
    Access.OPEN: [],
    Access.OPEN_WITHOUT_QUERY: [{}, {"Bearer": []}, {"InternalToken": []}],
    Access.ANY: [{"Bearer": []}, {"InternalToken": []}],
    Access.BEARER: [{"Bearer": []}],
    Access.INTERNAL: [{"InternalToken": []}],
    Access.FIRST_TRUST: [{"Bearer": []}, {"InternalToken": []}],
}


def _declared(app: Flask, rule: Rule) -> Endpoint | None:
    return endpoint.of(app.view_functions[rule.endpoint])


def _operation(rule: Rule, found: Endpoint, method: str, schemas: Json, names: Names) -> Json:
    errors = [*found.errors, *(() if found.access is Access.OPEN else (Unauthorized,))]
    operation: Json = {
        "tags": [rule.endpoint.split(".")[0]],
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{rule.rule.removeprefix(PREFIX)}").strip("_"),
        "summary": found.summary,
        "security": CREDENTIALS[found.access],
        "parameters": [*_path_parameters(rule), *_query_parameters(found.query, schemas, names)],
        "responses": {
            "200": _good(found.returns, names),
            **_bad(errors),
            "default": _content("any other failure", "Problem"),
        },
    }
    if found.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": _reference(names[found.body])}}}
    return operation


def _is_long(app: Flask, rule: Rule) -> bool:
    code = getattr(app.view_functions[rule.endpoint], "__code__", None)
    return code is not None and LONG_WORK in code.co_names


def _long(operation: Json) -> Json:
    """The same with what D21 adds to every long call."""
    prefer = {
        "name": "Prefer",
        "in": "header",
        "description": "`respond-async`: answer at once with the job that does the work",
        "schema": {"type": "string", "example": "respond-async"},
    }
    operation["parameters"].append(prefer)
    accepted = _content("the job, as Prefer: respond-async asks for; Location is where to look at it", "JobAnswer")
    operation["responses"] = {"200": operation["responses"]["200"], "202": accepted, **operation["responses"]}
    return operation


def _path_parameters(rule: Rule) -> list[Json]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in sorted(rule.arguments)]


def _query_parameters(model: type[BaseModel] | None, schemas: Json, names: Names) -> list[Json]:
    if model is None:
        return []
    properties = schemas[names[model]].get("properties", {})
    return [
        {"name": name, "in": "query", "description": schema.get("description", ""), "schema": schema}
        for name, schema in properties.items()
    ]


def _good(model: type[BaseModel] | None, names: Names) -> Json:
    return {"description": "done"} if model is None else _content("done", names[model])


def _bad(errors: list[type[ApiError]]) -> Json:
    titles: dict[int, list[str]] = {}
    for error in dict.fromkeys(errors):
        titles.setdefault(error.status, []).append(f"{error.kind}: {error.title}")
    return {str(status): _content("; ".join(told), "Problem") for status, told in sorted(titles.items())}


def _content(description: str, schema: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": _reference(schema)}}}


def _reference(name: str) -> Json:
    return {"$ref": SCHEMAS.format(model=name)}


def _schemas(models: set[type[BaseModel]]) -> tuple[Json, Names]:
    """The schemas by name, and each model's name: not always the class's, for two domains may use the same one."""
    ordered = sorted(models, key=lambda model: (model.__name__, model.__module__))
    references, document = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=SCHEMAS, by_alias=True
    )
    found: Json = _for_openapi_3_0(document.get("$defs", {}))
    return found, {model: references[(model, "validation")]["$ref"].rpartition("/")[2] for model in ordered}


def _for_openapi_3_0(value: Any) -> Any:
    """pydantic writes JSON Schema 2020-12; OpenAPI 3.0, which the UI shows, says `nullable` and has one `example`."""
    if isinstance(value, list):
        return [_for_openapi_3_0(item) for item in value]
    if not isinstance(value, dict):
        return value
    shape = {key: _for_openapi_3_0(item) for key, item in value.items()}
    if isinstance(shape.get("examples"), list):
        shape["example"] = shape.pop("examples")[0]
    options = shape.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        shape.pop("anyOf")
        shape |= (
            {**rest[0], "nullable": True} if len(rest) == 1 and "$ref" not in rest[0] else {"anyOf": rest, "nullable": True}
        )
    return shape


def _callable(view: Any) -> Any:
    """A bound method cannot be marked; a plain function around it can."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return call
