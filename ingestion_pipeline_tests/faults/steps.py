"""A whole sync without Dagster: the four steps over the services that the settings name."""

import itertools
import os
from collections.abc import Callable
from typing import Any

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.repositories import SourceKind, TrackedRepository
from ingestion_pipeline.indexing.clone import clone_repository
from ingestion_pipeline.indexing.embed import embed_repository
from ingestion_pipeline.indexing.handles import EmbeddedRepository, SyncResult
from ingestion_pipeline.indexing.parse import parse_repository
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS, SyncOptions
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.indexing.upsert import upsert_points
from ingestion_pipeline.tracking.track import track_repository

_runs = itertools.count()

# Called with the name of the step that just ended.
Between = Callable[[str], object]
# Puts something else in a part's place: its name, the part → what the step gets.
Replace = Callable[[str, Any], Any]


def nothing(_step: str) -> None:
    """Nothing happens between the steps."""


def keep(_name: str, part: Any) -> Any:
    """Every part stays what it is."""
    return part


def track(services: Services, reference: str) -> TrackedRepository:
    """Track a path of this machine, or the name of a repository at GitHub."""
    kind = SourceKind.LOCAL if reference.startswith("/") else SourceKind.GITHUB
    return track_repository(reference, None, services.hosts, services.state, services.clock, kind)


def make_target(services: Services, row: TrackedRepository, replace: Replace = keep) -> IndexTarget:
    """Return where a sync of the repository writes."""
    services.store.ensure_collection(services.collection)
    return IndexTarget(
        replace("state", services.state),
        replace("store", services.store),
        services.collection.name,
        services.make_fingerprint(row),
        services.make_rules(row),
    )


def prepare(
    services: Services,
    row: TrackedRepository,
    target: IndexTarget,
    *,
    between: Between = nothing,
    replace: Replace = keep,
    options: SyncOptions = DEFAULT_OPTIONS,
) -> EmbeddedRepository:
    """Do the first three steps.

    Args:
        services: As opened by a run.
        row: The repository.
        target: Where the fourth step writes.
        between: Called after every step.
        replace: Puts proxies in the place of ``mirror``, ``parser`` and ``encoder``.
        options: How the sync is asked for.
    """
    mirror = replace("mirror", services.open_mirror(row.source))
    progress = Progress("test")
    work = services.settings.data_path / "work" / f"{os.getpid()}-{next(_runs)}"
    cloned = clone_repository(
        *(row, services.hosts[row.source.kind], mirror, target, services.records, work),
        *(services.clock, progress, options),
    )
    between("clone")
    with services.open_parser() as parse_files:
        parser = replace("parser", parse_files)
        parsed = parse_repository(cloned, mirror, services.records, parser, progress)
    between("parse")
    embedded = embed_repository(
        parsed,
        lambda: replace("encoder", services.encoder),
        services.records,
        services.word_vectors,
        services.heard,
        progress,
    )
    between("embed")
    return embedded


def sync(
    services: Services, reference: str, *, replace: Replace = keep, **arguments: Any
) -> SyncResult:
    """Do what a run does, its lock included.

    Args:
        services: As opened by a run.
        reference: Path or name of the repository; tracked if it is not yet.
        replace: Puts proxies in the place of ``state`` and ``store`` too.
        arguments: Of ``prepare``.
    """
    row = track(services, reference)
    with services.state.lock_source(f"sync:{row.source}"):
        target = make_target(services, row, replace)
        embedded = prepare(services, row, target, replace=replace, **arguments)
        return upsert_points(embedded, target, services.clock, Progress("test"))
