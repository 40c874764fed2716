"""The fake GitHub, and our queries, held against GitHub's own descriptions."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from githubkit_schemas.latest import models
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    parse,
    validate,
)
from jsonschema import Draft202012Validator

from ingestion_pipeline.sources.github.graphql import FRESHNESS_QUERY, build_heads_query
from ingestion_pipeline_tests.servers.github import FakeGitHubServer
from ingestion_pipeline_tests.servers.github_graphql import load_schema
from ingestion_pipeline_tests.sources.github.code_host_worlds import TOKEN
from ingestion_pipeline_tests.sources.github.tracked import add_many, add_tracked

AUTHORIZATION = {"Authorization": f"token {TOKEN}"}


@pytest.fixture(scope="module")
def contracts() -> Path:
    folder = os.environ.get("CONTRACTS_DIR")
    if not folder:
        pytest.skip("CONTRACTS_DIR points to no folder with github.graphql and github-rest.json")
    return Path(folder)


@pytest.fixture(scope="module")
def official_schema(contracts: Path) -> GraphQLSchema:
    text = (contracts / "github.graphql").read_text(encoding="utf-8")
    return build_schema(text, assume_valid_sdl=True)


@pytest.fixture(scope="module")
def official_rest(contracts: Path) -> dict[str, Any]:
    text = (contracts / "github-rest.json").read_text(encoding="utf-8")
    return drop_openapi_nullable(json.loads(text))


def drop_openapi_nullable(schema: Any) -> Any:
    """Turn OpenAPI 3.0's ``nullable`` into JSON Schema, which has no such word."""
    if isinstance(schema, list):
        return [drop_openapi_nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {key: drop_openapi_nullable(value) for key, value in schema.items()}
    if converted.get("nullable") is True:
        return {"anyOf": [converted, {"type": "null"}]}
    return converted


def get(server: FakeGitHubServer, path: str) -> httpx.Response:
    return httpx.get(server.api_url + path, headers=AUTHORIZATION, follow_redirects=False)


def test_answers_parse_as_githubkit_models(server: FakeGitHubServer) -> None:
    repository = server.add_repository("octo/cat")

    by_name = models.FullRepository.model_validate(get(server, "/repos/octo/cat").json())
    by_id = models.FullRepository.model_validate(
        get(server, f"/repositories/{repository.number}").json()
    )
    branch = models.BranchWithProtection.model_validate(
        get(server, "/repos/octo/cat/branches/main").json()
    )
    limits = models.RateLimitOverview.model_validate(get(server, "/rate_limit").json())
    missing = models.BasicError.model_validate(get(server, "/repos/octo/dog").json())

    assert by_name == by_id
    assert by_name.full_name == "octo/cat"
    assert branch.commit.sha == repository.heads["main"]
    assert limits.resources.core.limit == 5_000
    assert missing.message == "Not Found"


@pytest.mark.parametrize(
    ("path", "operation", "status"),
    [
        ("/repos/octo/cat", "/repos/{owner}/{repo}", 200),
        ("/repos/octo/empty", "/repos/{owner}/{repo}", 200),
        ("/repos/octo/old", "/repos/{owner}/{repo}", 301),
        ("/repos/octo/saml", "/repos/{owner}/{repo}", 403),
        ("/repos/octo/gone", "/repos/{owner}/{repo}", 404),
        ("/repos/octo/cat/branches/main", "/repos/{owner}/{repo}/branches/{branch}", 200),
        ("/repos/octo/old/branches/main", "/repos/{owner}/{repo}/branches/{branch}", 301),
        ("/repos/octo/cat/branches/gone", "/repos/{owner}/{repo}/branches/{branch}", 404),
        ("/rate_limit", "/rate_limit", 200),
    ],
)
def test_answers_fit_the_official_rest_description(
    server: FakeGitHubServer,
    official_rest: dict[str, Any],
    path: str,
    operation: str,
    status: int,
) -> None:
    server.add_repository("octo/cat")
    server.add_repository("octo/empty", {})
    server.add_repository("octo/old")
    server.rename("octo/old", "octo/new")
    server.add_repository("octo/saml")
    server.forbid("octo/saml")

    response = get(server, path)

    assert response.status_code == status
    described = official_rest["paths"][operation]["get"]["responses"][str(status)]
    if "$ref" in described:
        described = official_rest["components"]["responses"][described["$ref"].rpartition("/")[2]]
    schema = described["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": official_rest["components"]}).validate(
        response.json()
    )


def test_our_queries_are_valid_at_github(
    server: FakeGitHubServer, official_schema: GraphQLSchema
) -> None:
    tracked = [*add_many(server, 2), add_tracked(server, "octo/c", branches=("a", "b"))]
    heads_query, _ = build_heads_query(tracked)

    for query in (FRESHNESS_QUERY, heads_query):
        assert validate(official_schema, parse(query)) == []


def test_our_schema_is_a_part_of_githubs(official_schema: GraphQLSchema) -> None:
    ours = {n: t for n, t in load_schema().type_map.items() if not n.startswith("__")}
    assert {"Repository", "Ref", "Node", "RateLimit"} <= set(ours)
    for name, own in ours.items():
        theirs = official_schema.type_map[name]
        assert type(own) is type(theirs), name
        if isinstance(own, GraphQLObjectType | GraphQLInterfaceType):
            assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
            assert {i.name for i in own.interfaces} <= {i.name for i in theirs.interfaces}
            assert_fields_match(name, own.fields, theirs.fields)


def assert_fields_match(
    name: str, own_fields: Mapping[str, Any], their_fields: Mapping[str, Any]
) -> None:
    for field_name, own in own_fields.items():
        theirs = their_fields[field_name]
        where = f"{name}.{field_name}"
        assert str(own.type) == str(theirs.type), where
        for argument_name, argument in own.args.items():
            official = theirs.args[argument_name]
            assert str(argument.type) == str(official.type), f"{where}({argument_name})"
            assert argument.default_value == official.default_value, f"{where}({argument_name})"
        required = {n for n, a in theirs.args.items() if str(a.type).endswith("!")}
        assert required <= set(own.args), where


def test_pushed_at_has_the_same_form_in_both_apis(
    server: FakeGitHubServer, official_rest: dict[str, Any]
) -> None:
    tracked = add_tracked(server, "octo/cat")
    body = {"query": FRESHNESS_QUERY, "variables": {"ids": [tracked.hosted.node_id]}}
    answer = httpx.post(server.api_url + "/graphql", json=body, headers=AUTHORIZATION).json()
    rest = get(server, "/repos/octo/cat").json()

    described = official_rest["components"]["schemas"]["full-repository"]["properties"]
    example: str = described["pushed_at"]["example"]
    assert answer["data"]["nodes"][0]["pushedAt"] == rest["pushed_at"]
    assert [c.isdigit() for c in rest["pushed_at"]] == [c.isdigit() for c in example]
    assert rest["pushed_at"].endswith("Z")
    assert example.endswith("Z")


def test_partial_errors_have_githubs_form(server: FakeGitHubServer) -> None:
    tracked = add_many(server, 3)
    server.delete("octo/r1")
    ids = [r.hosted.node_id for r in tracked]
    body = {"query": FRESHNESS_QUERY, "variables": {"ids": ids}}

    answer = httpx.post(server.api_url + "/graphql", json=body, headers=AUTHORIZATION).json()

    assert [node is None for node in answer["data"]["nodes"]] == [False, True, False]
    assert answer["errors"][0]["type"] == "NOT_FOUND"
    assert answer["errors"][0]["path"] == ["nodes", 1]
