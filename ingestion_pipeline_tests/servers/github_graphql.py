"""GraphQL of the fake GitHub: graphql-core executes our queries on a subset of GitHub's schema."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from ingestion_pipeline_tests.servers.github_state import FakeRepository, GitHubState, Limit

SCHEMA_PATH = Path(__file__).with_name("github_schema.graphql")
SAML_MESSAGE = (
    "Resource protected by organization SAML enforcement. You must grant your Personal Access "
    "token access to this organization."
)


class RefObject:
    """A branch as GraphQL sees it."""

    typename = "Ref"
    prefix = "refs/heads/"

    def __init__(self, repository: FakeRepository, name: str, sha: str) -> None:
        self.id = f"REF_{repository.number}_{name}"
        self.name = name
        self.target = CommitObject(sha)


class CommitObject:
    """A commit as GraphQL sees it."""

    typename = "Commit"

    def __init__(self, sha: str) -> None:
        self.id = f"C_{sha}"
        self.oid = sha


class RepositoryObject:
    """A repository as GraphQL sees it; attributes are fields."""

    typename = "Repository"

    def __init__(self, repository: FakeRepository) -> None:
        self._repository = repository
        self.id = repository.node_id
        self.databaseId = repository.number
        self.nameWithOwner = repository.full_name
        self.pushedAt = repository.pushed_at
        self.isArchived = repository.archived
        self.isDisabled = repository.disabled
        self.isLocked = repository.locked
        self.isPrivate = repository.private
        self.isEmpty = not repository.heads

    @property
    def defaultBranchRef(self) -> RefObject | None:  # noqa: N802 named as the field
        return self._find(self._repository.default_branch)

    def ref(self, _info: Any, qualifiedName: str) -> RefObject | None:  # noqa: N803
        return self._find(qualifiedName.removeprefix("refs/heads/"))

    def _find(self, name: str) -> RefObject | None:
        sha = self._repository.heads.get(name)
        return RefObject(self._repository, name, sha) if sha else None


class RateLimitObject:
    """The allowance as GraphQL sees it."""

    typename = "RateLimit"
    cost = 1

    def __init__(self, limit: Limit, reset_at: str) -> None:
        self.nodeCount = 100
        self.limit = limit.limit
        self.used = limit.used
        self.remaining = limit.remaining
        self.resetAt = reset_at


class QueryRoot:
    """The root fields."""

    def __init__(self, state: GitHubState) -> None:
        self._state = state

    def node(self, _info: Any, id: str) -> RepositoryObject:  # noqa: A002
        found = self._find(id)
        if isinstance(found, GraphQLError):
            raise found
        return found

    def nodes(self, _info: Any, ids: list[str]) -> list[RepositoryObject | GraphQLError]:
        return [self._find(node_id) for node_id in ids]

    def rateLimit(self, _info: Any, dryRun: bool = False) -> RateLimitObject:  # noqa: N802, N803
        reset_at = self._state.resets_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return RateLimitObject(self._state.limits["graphql"], reset_at)

    def _find(self, node_id: str) -> RepositoryObject | GraphQLError:
        repository = self._state.by_node_id.get(node_id)
        if repository is None:
            message = f"Could not resolve to a node with the global id of '{node_id}'"
            return GraphQLError(message, extensions={"type": "NOT_FOUND"})
        if repository.block_reason:
            return GraphQLError("Repository access blocked", extensions={"type": "UNAVAILABLE"})
        if repository.forbidden_message:
            return GraphQLError(repository.forbidden_message, extensions={"type": "FORBIDDEN"})
        return RepositoryObject(repository)


@lru_cache
def load_schema() -> GraphQLSchema:
    """Return the schema; interfaces resolve by the objects' ``typename``."""
    schema = build_schema(SCHEMA_PATH.read_text(encoding="utf-8"))
    for name in ("Node", "GitObject"):
        interface: Any = schema.type_map[name]
        interface.resolve_type = lambda value, _info, _type: value.typename
    return schema


@lru_cache(maxsize=64)
def _parse(query: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    document = parse(query)
    return document, tuple(validate(load_schema(), document))


def answer(state: GitHubState, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Return the body of an answer; errors stand in GitHub's form, with ``type`` at the top."""
    try:
        document, invalid = _parse(query)
    except GraphQLError as error:
        return {"errors": [_format(error)]}
    if invalid:
        return {"errors": [_format(error) for error in invalid]}
    with state.lock:
        result = execute_sync(
            load_schema(), document, root_value=QueryRoot(state), variable_values=variables
        )
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [_format(error) for error in result.errors]
    return body


def _format(error: GraphQLError) -> dict[str, Any]:
    formatted: dict[str, Any] = dict(error.formatted)
    extensions = dict(formatted.pop("extensions", {}))
    kind = extensions.pop("type", None)
    if error.message.startswith("Cannot query field"):
        extensions["code"] = "undefinedField"
    if kind:
        formatted["type"] = kind
    if extensions:
        formatted["extensions"] = extensions
    return formatted
