"""Cross-origin answers for the configured origins only; none by default (D24)."""

from flask import Flask, Response, request

from ablestack_api.web.context import env


def install(app: Flask) -> None:
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    origin = request.headers.get("Origin")
    if origin and origin in env().settings.cors_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET,POST,PUT,DELETE,OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = (
            "Content-Type, Authorization, X-Cube-Internal-Token, If-Match, Prefer, X-Request-ID"
        )
        response.headers["Access-Control-Expose-Headers"] = "ETag, Location, Retry-After, X-Job-Id, X-Request-ID"
        response.headers.add("Vary", "Origin")
    return response
