"""The tracked repositories as a training reads them: histories of its own, beside the mirrors.

The mirrors are shallow, so a history with its trees is fetched into a mirror of its own, and of the
files only those of the one commit that is parsed. A training that goes on reads the histories as
they were when it began: a list beside its checkpoint says which and up to where.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import (
    AuthenticationError,
    BranchNotFoundError,
    ConfigurationError,
    HostNotAllowedError,
    IngestionError,
    RepositoryLimitError,
    RepositoryUnavailableError,
    TransientError,
)
from ingestion_pipeline.core.repositories import SourceId, TrackedRepository
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.tracking.hosts import Hosts, get_host
from ingestion_pipeline.training.dataset import Repository
from ingestion_pipeline.training.encoder import REPOSITORIES_SUFFIX, Sides, hold_out
from ingestion_pipeline.training.prepare import prepare_repository

# What is wrong with one repository; anything else, such as a full disk, is wrong with all.
_UNREADABLE: tuple[type[IngestionError], ...] = (
    AuthenticationError,
    BranchNotFoundError,
    HostNotAllowedError,
    RepositoryLimitError,
    RepositoryUnavailableError,
    TransientError,
)
_HEAD = "HEAD"


@dataclass(frozen=True, slots=True)
class TrackedHistories:
    """The histories of the repositories that are tracked.

    Args:
        rows: The repositories.
        hosts: Where they are fetched from.
        open_history: Returns the mirror of a source's history, deeper than one commit.
        tell: Told, in words, what is read and what is left out.
    """

    rows: Sequence[TrackedRepository]
    hosts: Hosts
    open_history: Callable[[SourceId], GitMirror]
    tell: Callable[[str], None]

    def read_sides(self, checkpoint: Path, held_out: Sequence[str] = ()) -> Sides:
        """Fetch and read all of them.

        Args:
            checkpoint: Of the training; where the file exists, nothing is fetched anew.
            held_out: Partition keys; each fifth repository where none is named.

        Raises:
            ConfigurationError: Too few can be read, or one that is to be held out is not tracked.
        """
        self._check_tracked(held_out)
        list_file = checkpoint.with_suffix(REPOSITORIES_SUFFIX)
        heads = _read_heads(list_file) if checkpoint.exists() else None
        read: dict[str, str] = {}
        repositories: list[Repository] = []
        left_out: dict[str, str] = {}
        for row in sorted(self.rows, key=lambda row: row.partition_key):
            key = row.partition_key
            self.tell(f"Reading the history of {key}.")
            try:
                read[key], repository = self._read(row, heads)
                repositories.append(repository)
            except _UNREADABLE as error:
                left_out[key] = str(error)
                self.tell(f"Left out: {key}. {error}")
        sides = replace(hold_out(repositories, held_out), left_out=left_out)
        _check_enough(sides)
        if heads is None:
            list_file.write_text(json.dumps(read), encoding="utf-8")
        return sides

    def _check_tracked(self, held_out: Sequence[str]) -> None:
        unknown = sorted(set(held_out) - {row.partition_key for row in self.rows})
        if unknown:
            raise ConfigurationError(
                f"{', '.join(unknown)}: not tracked, so it cannot be held out. "
                "`ingestion-pipeline repositories` shows what is."
            )

    def _read(
        self, row: TrackedRepository, heads: Mapping[str, str] | None
    ) -> tuple[str, Repository]:
        """Return the newest commit that was looked at, and the repository."""
        key = row.partition_key
        if heads is not None and key not in heads:
            raise RepositoryUnavailableError(
                "It took no part when the training began that goes on now."
            )
        source = get_host(self.hosts, row.source.kind).get_fetch_source(row.hosted)
        history = self.open_history(row.source)
        head = heads[key] if heads is not None else _fetch_head(history, source)
        with history.noticing_damage():
            repository = prepare_repository(
                history.path, key, head, lambda shas: history.fetch_blobs(source, shas)
            )
        if not repository.is_instructive:
            raise RepositoryUnavailableError(
                "It has neither docstrings nor commits that change code to learn from."
            )
        return head, repository


def _fetch_head(history: GitMirror, source: FetchSource) -> str:
    heads = history.fetch(source, [_HEAD], count_commits=False).heads
    if _HEAD not in heads:
        raise RepositoryUnavailableError("It has no commit yet.")
    return heads[_HEAD]


def _check_enough(sides: Sides) -> None:
    if sides.learnt and sides.held_out:
        return
    why = "".join(f" {key}: {reason}" for key, reason in sides.left_out.items())
    raise ConfigurationError(
        f"A training needs at least one repository to learn from and another that is held out; of "
        f"the tracked ones there are {len(sides.learnt)} and {len(sides.held_out)}. Track more: "
        f"ingestion-pipeline track owner/name. Left out: {len(sides.left_out)}.{why}"
    )


def _read_heads(list_file: Path) -> Mapping[str, str] | None:
    """Return partition key → commit; None where the checkpoint is of other repositories."""
    try:
        return json.loads(list_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
