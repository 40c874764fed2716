"""A small world for runs: a repository in real git, a host, a store, a state and a Dagster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.points import PointFilter, StoredPoint
from ingestion_pipeline.core.repositories import SourceKind, TrackedRepository
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.orchestration.build import build_definitions
from ingestion_pipeline.orchestration.freshness_check import sync_partitions
from ingestion_pipeline.orchestration.jobs import SYNC_JOB_NAME
from ingestion_pipeline.settings import Settings
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.fakes.clock import FakeClock
from ingestion_pipeline_tests.fakes.code_host import FakeCodeHost, make_hosted
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.git_repositories import Files, GitRepository

KEY = "octo/cat"
FILES: Files = {
    "README.md": "# Cat\n\nPurrs over HTTP.\n",
    "src/purr.py": 'from src.voice import loud\n\n\ndef purr(times):\n    """Purr."""\n    loud()\n',  # noqa: E501
    "src/voice.py": "class Voice:\n    def speak(self):\n        return 1\n\n\ndef loud():\n    pass\n",  # noqa: E501
}


class SharedServices(Services):
    """Outlives the runs that use it."""

    def close(self) -> None:
        """Stay open."""


@dataclass
class World:
    """Everything a run touches.

    Args:
        folder: Temporary folder.
        files: The repository's first commit; None for an empty repository.
    """

    folder: Path
    files: Files | None = field(default_factory=lambda: dict(FILES))
    store: FakePointStore = field(default_factory=FakePointStore)
    state: StateStore = field(default_factory=FakeStateStore)
    clock: FakeClock = field(default_factory=FakeClock)
    branches: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.git = GitRepository(self.folder / "origin.git", self.files)
        self.host = FakeCodeHost()
        hosted = make_hosted(KEY)
        self.host.add(hosted, self.heads)
        self.host.set_clone_url(KEY, str(self.git.path))
        settings = Settings(home=self.folder, allowed_hosts=("github.com",))
        self.services = SharedServices(
            settings,
            self.clock,
            make_state=lambda _settings: self.state,
            make_store=lambda _settings: self.store,
            make_hosts=lambda _settings, _clock: {SourceKind.GITHUB: self.host},
        )
        self.definitions = build_definitions(self.open)

    @contextmanager
    def open(self) -> Iterator[Services]:
        """Open the services, as a run does."""
        yield self.services

    @property
    def heads(self) -> dict[str, str]:
        """Branch → head in git."""
        return {branch: self.git.head(branch) for branch in self.git.list_branches()}

    def track(self, instance: dg.DagsterInstance, branches: Sequence[str] = ()) -> None:
        """Track the repository and add its partition."""
        track_repository(KEY, branches, self.services.hosts, self.state, self.clock)
        sync_partitions(self.services, instance)

    def rename(self, name: str) -> None:
        """Rename at the host; git stays where it is."""
        self.host.rename(self.name, name)
        self.host.set_clone_url(name, str(self.git.path))

    def push(self, files: Files, branch: str = "main", **options: Any) -> str:
        """Commit, and let the host notice."""
        sha = self.git.commit(files, branch=branch, **options)
        pushed_at = self.clock.advance(60).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.host.push(self.name, branch, sha, pushed_at)
        return sha

    @property
    def name(self) -> str:
        """Present name of the repository."""
        return self.row.hosted.full_name

    @property
    def row(self) -> TrackedRepository:
        """Its row."""
        [row] = self.state.list_repositories()
        return row

    def sync(
        self, instance: dg.DagsterInstance, key: str = KEY, **options: Any
    ) -> dg.ExecuteInProcessResult:
        """Run the partition in this process."""
        job = self.definitions.resolve_job_def(SYNC_JOB_NAME)
        return job.execute_in_process(
            instance=instance,
            partition_key=key,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            **options,
        )

    def points(self) -> dict[tuple[str, str, str], StoredPoint]:
        """(branch, path, symbol) → point."""
        stored = self.store.scroll(self.services.collection.name, PointFilter({}))
        return {(p.payload["branch"], p.payload["path"], p.payload["symbol"]): p for p in stored}

    def paths(self, branch: str = "main") -> set[str]:
        """Paths with points."""
        return {path for at, path, _ in self.points() if at == branch and path}


def materialization(result: dg.ExecuteInProcessResult) -> dg.AssetMaterialization:
    """Return the one materialization of a run."""
    [event] = result.get_asset_materialization_events()
    return event.step_materialization_data.materialization


def failed_steps(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Return step → message of everything that failed."""
    return {
        str(event.step_key): event.step_failure_data.error_display_string
        for event in result.all_events
        if event.is_step_failure
    }
