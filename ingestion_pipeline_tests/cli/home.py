"""A project root for the command line: real adapters, with GitHub and git on loopback."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner, Result

import ingestion_pipeline
from ingestion_pipeline.cli.main import cli
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.servers.git_http import GitHttpServer
from ingestion_pipeline_tests.servers.github import FakeGitHubServer

PROJECT_ROOT = Path(ingestion_pipeline.__file__).parents[1]
TOKEN = "ghp_the-token-of-these-tests"
KEY = "octo/cat"
FILES: Files = {
    "README.md": "# Cat\n\nPurrs over HTTP.\n",
    "src/purr.py": 'from src.voice import raise_voice\n\n\ndef purr(times):\n    """Purr."""\n    raise_voice()\n',  # noqa: E501
    "src/voice.py": "class Voice:\n    def speak(self):\n        return 1\n\n\ndef raise_voice():\n    pass\n",  # noqa: E501
}


@dataclass
class CommandHome:
    """A temporary ``INGESTION_HOME`` and the hosts that its settings name.

    Args:
        folder: The project's root.
        github: Answers the API.
        git: Serves the clones.
        environment: Variables of every command; None removes one.
        repositories: Full name → git.
    """

    folder: Path
    github: FakeGitHubServer
    git: GitHttpServer
    environment: dict[str, str | None]
    repositories: dict[str, GitRepository] = field(default_factory=dict[str, GitRepository])

    def invoke(self, *arguments: str | Path, **environment: str) -> Result:
        """Run a command in this process, the working directory as it is."""
        runner = CliRunner(env={**self.environment, **environment})
        typed = [str(argument) for argument in arguments]
        return runner.invoke(cli, typed, prog_name="ingestion-pipeline")

    def run(self, *arguments: str | Path, **environment: str) -> str:
        """Run a command that has to succeed, and return its output."""
        result = self.invoke(*arguments, **environment)
        assert result.exit_code == 0, (result.output, result.exception)
        assert result.stderr == ""
        return result.stdout

    def refuse(self, *arguments: str | Path, **environment: str) -> str:
        """Run a command that has to fail as our errors do, and return its line on stderr."""
        result = self.invoke(*arguments, **environment)
        return check_refusal(result.exit_code, result.stdout, result.stderr, result.exception)

    def make_environment(self, **environment: str) -> dict[str, str]:
        """Return the environment of a command in a process of its own."""
        merged = {**os.environ, **self.environment, **environment}
        return {name: value for name, value in merged.items() if value is not None}

    def add_repository(
        self, full_name: str = KEY, files: Files | None = FILES, *, private: bool = False
    ) -> GitRepository:
        """Create a repository in git and at the API; without files it is empty."""
        repository = GitRepository(self.git.root / f"{full_name}.git", files)
        self.repositories[full_name] = repository
        self.github.add_repository(full_name, _heads(repository), private=private)
        return repository

    def push(self, files: Files, full_name: str = KEY, branch: str = "main") -> str:
        """Commit, and let the API say so."""
        sha = self.repositories[full_name].commit(files, branch=branch)
        return self.github.push(full_name, branch, sha)

    def read_points(self) -> dict[str, Mapping[str, object]]:
        """Return point id → payload of everything in the embedded store."""
        store = EdgePointStore(self.folder / ".data" / "qdrant")
        try:
            return {
                point.id: dict(point.payload)
                for collection in store.list_collections()
                for point in store.scroll(collection, PointFilter({}))
            }
        finally:
            store.close()


def check_refusal(
    exit_code: int, stdout: str, stderr: str, exception: BaseException | None = None
) -> str:
    """Assert that a command ended as our own errors do, and return its line."""
    assert exit_code == 1, (stdout, stderr, exception)
    assert exception is None or isinstance(exception, SystemExit), repr(exception)
    [line] = stderr.splitlines()
    assert line.startswith("Error: ")
    assert "Traceback" not in stdout + stderr
    assert TOKEN not in stdout + stderr
    return line.removeprefix("Error: ")


@contextmanager
def open_home(folder: Path, tokens: Sequence[str] = (TOKEN,)) -> Iterator[CommandHome]:
    """Yield a home whose servers answer until the end."""
    root, repositories = folder / "project", folder / "repositories"
    root.mkdir()
    repositories.mkdir()
    shutil.copy(PROJECT_ROOT / "dagster.yaml", root)
    with (
        GitHttpServer(repositories) as git,
        FakeGitHubServer(tokens=tuple(tokens), clone_url_base=git.url) as github,
    ):
        yield CommandHome(root, github, git, make_variables(root, github.api_url))


def make_variables(root: Path, api_url: str) -> dict[str, str | None]:
    """Return the variables of a home; those a developer may have set are removed."""
    unset: Mapping[str, None] = {name: None for name in os.environ if name.startswith("INGESTION_")}
    return {
        **unset,
        "DAGSTER_HOME": None,
        "INGESTION_HOME": str(root),
        "INGESTION_GITHUB_API_URL": api_url,
        "INGESTION_ALLOWED_HOSTS": "127.0.0.1",
        "INGESTION_GITHUB_TIMEOUT_SECONDS": "5",
        "INGESTION_DEVICE": "cpu",
    }


def _heads(repository: GitRepository) -> dict[str, str]:
    return {branch: repository.head(branch) for branch in repository.list_branches()}
