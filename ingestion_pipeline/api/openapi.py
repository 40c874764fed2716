"""What OpenAPI says beyond the routes: how one gets in, and what every error looks like."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from ingestion_pipeline.api.problems import Problem

_DESCRIPTION = (
    "Syncs of tracked repositories into Qdrant: submit, watch, cancel, look up. Every error is a "
    "problem document (RFC 9457)."
)
_SECURITY_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Asked for where the server has one; to read, where it has one for that.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": "GitHub's, of the body.",
    },
}
# FastAPI's own shape of a 422, which no route of ours answers with.
_FOREIGN_SCHEMAS = ("HTTPValidationError", "ValidationError")


def name_operation(route: APIRoute) -> str:
    """Return the ``operationId`` of a route: its function's name."""
    return route.name


def describe_api(app: FastAPI) -> None:
    """Have the application serve a description that is true of it."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=version("ingestion_pipeline"),
                description=_DESCRIPTION,
                routes=app.routes,
            )
            _describe_parts(schema.setdefault("components", {}))
            for operations in schema["paths"].values():
                for method, operation in operations.items():
                    _describe_operation(method, operation)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe


def _describe_parts(parts: dict[str, Any]) -> None:
    parts["securitySchemes"] = _SECURITY_SCHEMES
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"].update(problem.pop("$defs", {}))
    parts["schemas"]["Problem"] = problem
    for name in _FOREIGN_SCHEMAS:
        parts["schemas"].pop(name, None)


def _describe_operation(method: str, operation: dict[str, Any]) -> None:
    # Open where no token is set, hence the empty one.
    token = [{"token": []}, *([{}] if method == "get" else [])]
    operation.setdefault("security", token)
    # FastAPI says so of every route with a parameter; ours document a 422 where there can be one.
    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
        del operation["responses"]["422"]
