"""What OpenAPI says beyond the routes: how one gets in, and what every error looks like."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ingestion_pipeline.api.problems import Problem

_DESCRIPTION = (
    "Syncs of tracked repositories into Qdrant: submit, watch, cancel, look up. Every error is a "
    "problem document (RFC 9457)."
)


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
            parts = schema.setdefault("components", {})
            parts.setdefault("securitySchemes", {})["token"] = {"type": "http", "scheme": "bearer"}
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            parts["schemas"].update(problem.pop("$defs", {}))
            parts["schemas"]["Problem"] = problem
            # FastAPI's own shape of a 422, which no route of ours answers with.
            for name in ("HTTPValidationError", "ValidationError"):
                parts["schemas"].pop(name, None)
            for operations in schema["paths"].values():
                for method, operation in operations.items():
                    # Open where no token is set, hence the empty one.
                    operation["security"] = [{"token": []}, *([{}] if method == "get" else [])]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe
