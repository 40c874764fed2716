"""Thousands of tracked repositories: a host that serves them, and all that ticks have left behind.

Everything is as after weeks of use: every repository was indexed once by a run that succeeded. The
rows go in through the ports and Dagster's own storage for the first repository; the others' rows in
Dagster's SQLite files are copies of its rows, because Dagster's calls take 10 ms each.
"""

import hashlib
import json
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    SourceId,
    SourceKind,
    TrackedRepository,
)
from ingestion_pipeline.core.state import CheckSchedule, IndexedBranch
from ingestion_pipeline.orchestration.jobs import SYNC_JOB_NAME
from ingestion_pipeline.orchestration.partitions import (
    ASSET_KEY,
    PARTITION_TAG,
    PARTITIONS_NAME,
)
from ingestion_pipeline.orchestration.run_facts import DATA_VERSION_TAG, format_data_version
from ingestion_pipeline_tests.servers.github_state import EPOCH

# Which of a hundred are pushed to; not the first, whose rows are copied.
_PUSHED_REMAINDER = 7
_SERVER = "ingestion_pipeline_tests.servers.github"
# The same server for callers that find no GraphQL.
_REST_SERVER = """
import json, sys
from ingestion_pipeline_tests.servers.github import FakeGitHubServer
server = FakeGitHubServer(tokens=("benchmark-token",), token_limit=10_000_000)
server.disable_graphql()
for number in range(int(sys.argv[1])):
    server.add_repository(f"owner/repository-{number}")
print(json.dumps({"api_url": server.api_url, "token": "benchmark-token"}), flush=True)
server.serve()
"""


@dataclass(frozen=True, slots=True)
class Host:
    """The fake GitHub, in a process of its own."""

    api_url: str
    token: str

    def count_requests(self) -> dict[str, int]:
        """Return how many requests were paid for so far, REST and GraphQL."""
        answer = httpx.get(
            f"{self.api_url}/rate_limit", headers={"Authorization": f"Bearer {self.token}"}
        )
        resources = answer.json()["resources"]
        return {name: resources[name]["used"] for name in ("core", "graphql")}

    def read_repository(self, number: int) -> dict[str, Any]:
        """Return one repository as REST shows it."""
        answer = httpx.get(
            f"{self.api_url}/repos/owner/repository-{number}",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        return answer.json()


@contextmanager
def serve_github(repositories: int, *, graphql: bool = True) -> Iterator[Host]:
    """Serve from another process, so that its work is not ours."""
    if graphql:
        command = ("-m", _SERVER, "--repositories", str(repositories))
    else:
        command = ("-c", _REST_SERVER, str(repositories))
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            facts = json.loads(process.stdout.readline())
            yield Host(facts["api_url"], facts["token"])
        finally:
            process.terminate()


def fill_world(
    services: Services, instance: dg.DagsterInstance, host: Host, repositories: int, *, pushed: bool
) -> None:
    """Track and index ``repositories``; with ``pushed``, one in a hundred was pushed to since.

    The host numbers them in order, and steps its clock twice for each: for the head, then for
    ``pushed_at``.
    """
    rows = [make_row(number) for number in range(repositories)]
    _check_first(rows[0], host)
    versions: list[str] = []
    for number, row in enumerate(rows):
        is_behind = pushed and number % 100 == _PUSHED_REMAINDER
        services.state.save_repository(row)
        services.state.commit_branch(
            row.source,
            make_branch(row, number, services.make_fingerprint(row), is_behind=is_behind),
        )
        indexed = _get_moment(2 * number - 1 if is_behind else 2 * number + 2)
        versions.append(format_data_version(indexed, services.make_fingerprint(row)))
    keys = [row.partition_key for row in rows]
    instance.add_dynamic_partitions(PARTITIONS_NAME, keys)
    _fill_dagster(services, instance, keys, versions)


def make_all_due(services: Services) -> None:
    """Forget when each repository was asked about, so that the next tick asks about all."""
    rows = services.state.list_repositories()
    services.state.set_check_schedules({row.source: CheckSchedule() for row in rows})


def _check_first(row: TrackedRepository, host: Host) -> None:
    shown = host.read_repository(0)
    expected = (int(row.source.stable_id), row.hosted.node_id, row.hosted.pushed_at)
    if (shown["id"], shown["node_id"], shown["pushed_at"]) != expected:
        raise RuntimeError(f"The fake GitHub numbers its repositories otherwise: {shown}")


def make_row(number: int) -> TrackedRepository:
    """Return a repository as the fake GitHub numbers them."""
    name = f"owner/repository-{number}"
    hosted = HostedRepository(
        source=SourceId(SourceKind.GITHUB, str(1001 + number)),
        node_id=f"R_kgDO{1001 + number:08d}",
        full_name=name,
        clone_url=f"https://github.com/{name}.git",
        web_url=f"https://github.com/{name}",
        default_branch="main",
        pushed_at=_get_moment(2 * number + 2),
    )
    return TrackedRepository(name, hosted, tracked_at=datetime.now(UTC))


def _get_moment(ticks: int) -> str:
    return (EPOCH + timedelta(seconds=ticks)).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_branch(
    row: TrackedRepository, number: int, fingerprint: str, *, is_behind: bool
) -> IndexedBranch:
    """Return its branch as it was indexed last, before its push where it ``is_behind``."""
    head = _get_moment(2 * number + 1) if not is_behind else "before the push"
    return IndexedBranch(
        branch="main",
        head_sha=hashlib.sha1(head.encode(), usedforsecurity=False).hexdigest(),
        pushed_at=row.hosted.pushed_at or "",
        fingerprint=fingerprint,
        collection="code",
        indexed_at=datetime.now(UTC),
        file_count=10,
        symbol_count=50,
        point_count=61,
    )


def _fill_dagster(
    services: Services, instance: dg.DagsterInstance, keys: Sequence[str], versions: Sequence[str]
) -> None:
    tags = {DATA_VERSION_TAG: versions[0]}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(ASSET_KEY, partition=keys[0], tags=tags)
    )
    run_tags = {PARTITION_TAG: keys[0]}
    run = instance.add_run(
        dg.DagsterRun(
            SYNC_JOB_NAME, str(uuid.uuid4()), status=dg.DagsterRunStatus.SUCCESS, tags=run_tags
        )
    )
    storage = services.settings.home / ".dagster" / "storage"
    _copy_materializations(storage / "history" / "runs" / "index.db", keys, versions)
    _copy_runs(storage / "history" / "runs.db", keys, run.run_id)


def _copy_materializations(path: Path, keys: Sequence[str], versions: Sequence[str]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.row_factory = sqlite3.Row
        [event] = _read(connection, "event_logs", "partition", keys[0])
        tags = _read(connection, "asset_event_tags", "event_id", event["id"])
        for key, version in zip(keys[1:], versions[1:], strict=True):
            swap = {keys[0]: key, versions[0]: version}
            event_id = _insert(connection, "event_logs", _replace(event, swap))
            for tag in tags:
                copy = _replace(tag, swap)
                _insert(connection, "asset_event_tags", {**copy, "event_id": event_id})


def _copy_runs(path: Path, keys: Sequence[str], run_id: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.row_factory = sqlite3.Row
        [run] = _read(connection, "runs", "run_id", run_id)
        tags = _read(connection, "run_tags", "run_id", run_id)
        for key in keys[1:]:
            swap = {keys[0]: key, run_id: str(uuid.uuid4())}
            _insert(connection, "runs", _replace(run, swap))
            for tag in tags:
                _insert(connection, "run_tags", _replace(tag, swap))


def _read(
    connection: sqlite3.Connection, table: str, column: str, value: object
) -> list[dict[str, Any]]:
    found = connection.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))
    return [dict(row) for row in found]


def _replace(row: dict[str, Any], swap: dict[str, str]) -> dict[str, Any]:
    copy = {name: value for name, value in row.items() if name != "id"}
    for name, value in copy.items():
        if isinstance(value, str):
            for old, new in swap.items():
                value = value.replace(old, new)
            copy[name] = value
    return copy


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> int:
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
    done = connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())
    )
    return done.lastrowid or 0
