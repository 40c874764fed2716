"""A project of its own in a temporary folder, and the world around it on loopback."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import dagster as dg
import pytest

import ingestion_pipeline
from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.core.points import PointFilter, StoredPoint
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.servers.git_http import GitHttpServer
from ingestion_pipeline_tests.servers.github import FakeGitHubServer

ROOT = Path(ingestion_pipeline.__file__).resolve().parents[1]
COMMAND_SECONDS = 120
TOKEN = "ghp_EndToEndTokenThatNobodyMayEverSee"


@dataclass
class Deployment:
    """A home with configuration, hosts that answer, and every variable that points at them.

    Args:
        home: The project's root.
        github: Answers REST and GraphQL.
        git: Serves the repositories.
        variables: Settings by their variable, beside those for the hosts.
    """

    home: Path
    github: FakeGitHubServer
    git: GitHttpServer
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    repositories: dict[str, GitRepository] = field(default_factory=dict[str, GitRepository])

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, self.home / name)

    @property
    def settings_variables(self) -> dict[str, str]:
        """Everything that is set, by variable."""
        return {
            "INGESTION_HOME": str(self.home),
            "INGESTION_GITHUB_API_URL": self.github.api_url,
            "INGESTION_GITHUB_TOKEN": TOKEN,
            "INGESTION_ALLOWED_HOSTS": "127.0.0.1",
            "INGESTION_SENSOR_INTERVAL_SECONDS": "10",
            # The server's pushes are as old as its clock says; every tick asks all the same.
            "INGESTION_POLL_MAX_SECONDS": "1",
            **self.variables,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process: this one's, without its settings, with ours."""
        ours = ("INGESTION_", "DAGSTER_")
        outer = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return {**outer, **self.settings_variables}

    @property
    def settings(self) -> Settings:
        """What ``load_settings`` gives in those processes."""
        values: dict[str, Any] = {
            key.removeprefix("INGESTION_").lower(): value
            for key, value in self.settings_variables.items()
        }
        return Settings(**values)

    def make_neighbour(self, home: Path, variables: Mapping[str, str]) -> "Deployment":
        """Return another project that sees the same repositories."""
        return Deployment(home, self.github, self.git, variables, self.repositories)

    # -- repositories

    def add_repository(self, full_name: str, files: Files) -> GitRepository:
        """Create a repository in git and at the host."""
        repository = GitRepository(self.git.root / f"{full_name}.git", files)
        self.repositories[full_name] = repository
        self.github.add_repository(full_name, {"main": repository.head()})
        return repository

    def push(self, full_name: str, files: Files, branch: str = "main") -> str:
        """Commit to a branch, tell the host, and return the head."""
        sha = self.repositories[full_name].commit(files, branch=branch)
        return self.github.push(full_name, branch, sha)

    def create_branch(self, full_name: str, branch: str) -> None:
        """Create a branch where ``main`` is, and tell the host."""
        repository = self.repositories[full_name]
        repository.create_branch(branch)
        self.github.push(full_name, branch, repository.head(branch))

    # -- commands

    def find_program(self, name: str) -> Path:
        """Return a command of this virtual environment."""
        return Path(sys.executable).parent / name

    def start(self, *arguments: str | Path, log: IO[bytes] | None = None) -> subprocess.Popen[str]:
        """Start a command of this virtual environment in the home.

        Args:
            arguments: Its name and its arguments.
            log: What it prints goes there; None for a pipe, which has to be read before it is full.
        """
        return subprocess.Popen(
            [self.find_program(str(arguments[0])), *arguments[1:]],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log or subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, exit_code: int = 0) -> str:
        """Run a command, check how it ends, and return all that it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=COMMAND_SECONDS)
        assert process.returncode == exit_code, output
        return output

    def track(self, *full_names: str) -> None:
        """Track repositories by the command line."""
        for name in full_names:
            self.run("ingestion-pipeline", "track", name)

    def materialize(self, partition: str, *, exit_code: int = 0) -> str:
        """Materialize one partition with Dagster's own command."""
        select = ("--select", "repository_points", "--partition", partition)
        module = ("-m", "ingestion_pipeline.definitions")
        return self.run(*("dagster", "asset", "materialize"), *select, *module, exit_code=exit_code)

    # -- looking inside

    @contextmanager
    def open_services(self) -> Iterator[Services]:
        """Open state and stores as a run would."""
        with open_services(self.settings) as services:
            yield services

    @contextmanager
    def open_instance(self) -> Iterator[dg.DagsterInstance]:
        """Open Dagster's records; only for when there is no GraphQL to ask."""
        with pytest.MonkeyPatch.context() as patch:
            # dagster.yaml's classes read the settings of their own process.
            for variable, value in self.settings_variables.items():
                patch.setenv(variable, value)
            with open_instance(self.settings) as instance:
                yield instance

    def read_points(self, full_name: str) -> list[StoredPoint]:
        """Return every point of a repository with its vectors, ordered by id."""
        with self.open_services() as services:
            where = PointFilter({"repo": full_name})
            points = services.store.scroll(services.collection.name, where, with_vectors=True)
            return sorted(points, key=lambda point: point.id)

    def read_paths(self, full_name: str) -> set[str]:
        """Return the paths that have points."""
        return {str(point.payload["path"]) for point in self.read_points(full_name)} - {""}


@contextmanager
def open_deployment(
    folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Deployment]:
    """Yield a deployment over hosts of its own."""
    origin = folder / "origin"
    origin.mkdir(parents=True)
    with (
        GitHttpServer(origin, token=TOKEN) as git,
        FakeGitHubServer(tokens=(TOKEN,), clone_url_base=git.url) as github,
    ):
        yield Deployment(folder / "home", github, git, variables or {})
