"""The served description, held to ``snapshots/openapi.json``.

After a change that is meant, write the snapshot anew and look at the difference::

    python -m ingestion_pipeline_tests.api.test_openapi
"""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import openapi_spec_validator
import pytest

from ingestion_pipeline.api.app import make_app
from ingestion_pipeline_tests.orchestration.world import World

SNAPSHOT = Path(__file__).parent / "snapshots" / "openapi.json"
# Its 503 is a report of what is not ready.
REPORTS = {("read_readiness", "503")}

Operation = dict[str, Any]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def list_operations(description: dict[str, Any]) -> Iterator[Operation]:
    for methods in description["paths"].values():
        yield from methods.values()


def test_what_is_served_is_the_snapshot(client: httpx.Client, description: dict[str, Any]) -> None:
    served = client.get("/openapi.json").json()
    assert served == description, (
        "if it is meant: python -m ingestion_pipeline_tests.api.test_openapi"
    )


def test_it_is_valid(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(description)


def test_every_operation_is_described(description: dict[str, Any]) -> None:
    operations = list(list_operations(description))
    for operation in operations:
        assert operation["operationId"].isidentifier(), operation
        assert operation["summary"], operation
        assert operation["description"], operation
        assert len(operation["tags"]) == 1, operation
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_every_body_has_an_example(description: dict[str, Any]) -> None:
    bodies = [
        content
        for operation in list_operations(description)
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    assert len(bodies) == 5
    for content in bodies:
        assert content.get("examples") or has_example(content["schema"], description), content


def has_example(schema: dict[str, Any], description: dict[str, Any]) -> bool:
    """Whether a schema, or one that it may be, has an example."""
    parts = schema.get("anyOf", [schema])
    names = [part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part]
    return any(description["components"]["schemas"][name].get("examples") for name in names)


def test_every_error_is_a_problem(description: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for operation in list_operations(description):
        for status, answer in operation["responses"].items():
            if status >= "400" and (operation["operationId"], status) not in REPORTS:
                assert answer["content"] == {"application/problem+json": problem}, operation


def describe() -> dict[str, Any]:
    """Return the description of an application in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        os.environ["INGESTION_HOME"] = folder
        return make_app(World(Path(folder)).services, instance).openapi()


if __name__ == "__main__":
    text = json.dumps(describe(), indent=2, ensure_ascii=False) + "\n"
    SNAPSHOT.write_text(text, encoding="utf-8")
