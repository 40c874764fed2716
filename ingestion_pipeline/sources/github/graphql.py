"""GraphQL: the two queries, and what their answers mean. Nothing here talks to the network.

Schema: https://docs.github.com/en/graphql/reference/objects#repository. Neither ``nodes(ids:)`` nor
``ref`` is a connection, so a query costs one point however many repositories it names
(https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.code_host import FreshnessReport, RateLimit, RemoteState
from ingestion_pipeline.core.errors import HostUnavailableError
from ingestion_pipeline.core.repositories import RepositoryStatus, SourceId, TrackedRepository
from ingestion_pipeline.sources.github.answers import (
    Answer,
    make_error,
    make_rate_limit_error,
)

# GitHub's own limit for nodes(ids:).
REPOSITORIES_PER_CALL = 100
# Every branch is an alias with a variable of its own; this many stay well under the time limit.
BRANCHES_PER_CALL = 100

FRESHNESS_QUERY = """\
query Freshness($ids: [ID!]!) {
  rateLimit { limit remaining resetAt }
  nodes(ids: $ids) {
    ... on Repository {
      databaseId
      nameWithOwner
      pushedAt
      isArchived
      isDisabled
      isLocked
      defaultBranchRef { name target { oid } }
    }
  }
}
"""

DISABLED_DETAIL = "GitHub has disabled this repository; its owner has to ask GitHub support."
LOCKED_DETAIL = "GitHub has locked this repository (a migration, a move or billing)."
ARCHIVED_DETAIL = "Archived: read-only at GitHub, so nothing can change."

_STATUS_OF_ERROR = {
    "NOT_FOUND": RepositoryStatus.NOT_FOUND,
    "FORBIDDEN": RepositoryStatus.FORBIDDEN,
}


class GraphQLNotOfferedError(Exception):
    """This server has no GraphQL, or not these fields; REST has to do."""


def read_data(answer: Answer, clock: Clock) -> dict[str, Any]:
    """Return the whole body of an answer that has data, errors on single repositories included.

    Raises:
        GraphQLNotOfferedError: No such endpoint or no such field.
        IngestionError: As ``make_error``; also for a rate limit told with status 200.
    """
    if answer.status in {404, 405, 501}:
        raise GraphQLNotOfferedError
    error = make_error(answer, "a GraphQL query", clock)
    if error:
        raise error
    body = answer.read_object()
    errors = _read_errors(body)
    if any(e.get("type") == "RATE_LIMITED" for e in errors):
        raise make_rate_limit_error(answer, clock)
    if not isinstance(body.get("data"), dict):
        if any(_is_unknown_field(e) for e in errors):
            raise GraphQLNotOfferedError
        reason = errors[0].get("message", "") if errors else "an answer without data"
        raise HostUnavailableError(f"GitHub could not run a GraphQL query: {reason}"[:400])
    return body


def read_freshness(
    repositories: Sequence[TrackedRepository], body: Mapping[str, Any]
) -> FreshnessReport:
    """Return the states of one chunk; ``nodes`` stands in the order of the ids asked for.

    A repository is absent when its error is of an unknown type, or when the node is not the
    repository of that number: REST then tells what it is.
    """
    data = body["data"]
    nodes: Sequence[Any] = data.get("nodes") or []
    errors = _index_errors(body)
    states: dict[SourceId, RemoteState] = {}
    for index, repository in enumerate(repositories):
        node = nodes[index] if index < len(nodes) else None
        state = _read_state(repository, node, errors.get(index, {}))
        if state is not None:
            states[repository.source] = state
    return FreshnessReport(states, _read_rate_limit(data))


def build_heads_query(repositories: Sequence[TrackedRepository]) -> tuple[str, dict[str, str]]:
    """Return one query for the heads of all tracked branches, and its variables.

    Names go in as variables, never into the text: a branch may be called almost anything.
    """
    declarations: list[str] = []
    selections: list[str] = []
    variables: dict[str, str] = {}
    for i, repository in enumerate(repositories):
        refs: list[str] = []
        variables[f"id{i}"] = repository.hosted.node_id
        declarations.append(f"$id{i}: ID!")
        for j, branch in enumerate(repository.tracked_branches):
            variables[f"ref{i}_{j}"] = f"refs/heads/{branch}"
            declarations.append(f"$ref{i}_{j}: String!")
            refs.append(f"b{j}: ref(qualifiedName: $ref{i}_{j}) {{ name prefix target {{ oid }} }}")
        body = " ".join(["databaseId", *refs])
        selections.append(f"  r{i}: node(id: $id{i}) {{ ... on Repository {{ {body} }} }}")
    query = f"query Heads({', '.join(declarations)}) {{\n" + "\n".join(selections) + "\n}\n"
    return query, variables


def read_heads(
    repositories: Sequence[TrackedRepository], body: Mapping[str, Any]
) -> dict[SourceId, dict[str, str]]:
    """Return branch → sha per repository that answered."""
    heads: dict[SourceId, dict[str, str]] = {}
    for i, repository in enumerate(repositories):
        node = body["data"].get(f"r{i}")
        if not isinstance(node, dict) or not _is_same(node, repository):
            continue
        refs = {b: node.get(f"b{j}") for j, b in enumerate(repository.tracked_branches)}
        heads[repository.source] = {
            branch: oid for branch, ref in refs.items() if (oid := _read_oid(ref, branch))
        }
    return heads


def split_by_branches(
    repositories: Sequence[TrackedRepository],
) -> Iterator[list[TrackedRepository]]:
    """Yield chunks with at most ``BRANCHES_PER_CALL`` branches, one repository at the least."""
    chunk: list[TrackedRepository] = []
    count = 0
    for repository in repositories:
        branches = len(repository.tracked_branches)
        if chunk and count + branches > BRANCHES_PER_CALL:
            yield chunk
            chunk, count = [], 0
        chunk.append(repository)
        count += branches
    if chunk:
        yield chunk


def _read_state(
    repository: TrackedRepository, node: Any, error: Mapping[str, Any]
) -> RemoteState | None:
    if not isinstance(node, dict) or "nameWithOwner" not in node:
        return _read_missing(repository, error)
    if not _is_same(node, repository):
        return None
    default = node.get("defaultBranchRef") or {}
    name = default.get("name", "")
    oid = (default.get("target") or {}).get("oid", "")
    wanted = not repository.branches or name in repository.branches
    status, detail = _read_status(node)
    return RemoteState(
        source=repository.source,
        status=status,
        detail=detail,
        full_name=node["nameWithOwner"],
        pushed_at=node.get("pushedAt"),
        default_branch=name,
        heads={name: oid} if oid and wanted else {},
    )


def _read_missing(repository: TrackedRepository, error: Mapping[str, Any]) -> RemoteState | None:
    status = _STATUS_OF_ERROR.get(str(error.get("type", "")))
    message = str(error.get("message", ""))[:300]
    return None if status is None else RemoteState(repository.source, status, message)


def _read_status(node: Mapping[str, Any]) -> tuple[RepositoryStatus, str]:
    if node.get("isDisabled"):
        return RepositoryStatus.BLOCKED, DISABLED_DETAIL
    if node.get("isLocked"):
        return RepositoryStatus.FORBIDDEN, LOCKED_DETAIL
    if node.get("isArchived"):
        return RepositoryStatus.ARCHIVED, ARCHIVED_DETAIL
    return RepositoryStatus.ACTIVE, ""


def _is_same(node: Mapping[str, Any], repository: TrackedRepository) -> bool:
    # databaseId is a 32-bit Int in the schema and may be null for ids beyond it.
    return str(node.get("databaseId") or repository.source.stable_id) == (
        repository.source.stable_id
    )


def _read_oid(ref: Any, branch: str) -> str:
    # A name that no branch has falls back to a match on other refs; only a branch counts.
    if not isinstance(ref, dict) or ref.get("prefix") != "refs/heads/" or ref["name"] != branch:
        return ""
    return (ref.get("target") or {}).get("oid", "")


def _read_rate_limit(data: Mapping[str, Any]) -> RateLimit | None:
    limit = data.get("rateLimit")
    if not isinstance(limit, dict):
        return None
    resets_at = datetime.fromisoformat(limit["resetAt"])
    return RateLimit(limit["remaining"], limit["limit"], resets_at)


def _read_errors(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    errors = body.get("errors")
    return [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []


def _index_errors(body: Mapping[str, Any]) -> dict[Any, dict[str, Any]]:
    """Return the errors by their place in ``nodes``; their path is ``["nodes", place]``."""
    return {
        path[1]: error
        for error in _read_errors(body)
        if isinstance(path := error.get("path"), list) and len(path) > 1
    }


def _is_unknown_field(error: Mapping[str, Any]) -> bool:
    code = str((error.get("extensions") or {}).get("code", ""))
    return code in {"undefinedField", "undefinedType"}
