"""The four ops of a sync. Each calls one function of ``indexing`` and records what it did."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
from pydantic import Field

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.freshness.evidence import PARTIAL
from ingestion_pipeline.indexing.clone import clone_repository as clone
from ingestion_pipeline.indexing.embed import embed_repository as embed
from ingestion_pipeline.indexing.handles import (
    ClonedRepository,
    EmbeddedRepository,
    ParsedRepository,
)
from ingestion_pipeline.indexing.parse import parse_repository as parse
from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.indexing.upsert import upsert_points as upsert
from ingestion_pipeline.orchestration.history import record_success
from ingestion_pipeline.orchestration.metadata import (
    describe_clone,
    describe_embed,
    describe_parse,
    describe_sync,
    read_code_map,
)
from ingestion_pipeline.orchestration.retries import dagster_errors
from ingestion_pipeline.orchestration.run_facts import format_data_version
from ingestion_pipeline.orchestration.run_progress import tell_run_progress
from ingestion_pipeline.orchestration.tags import JOB_TAG
from ingestion_pipeline.orchestration.tracing import trace_op
from ingestion_pipeline.parse.ignore import validate_ignore_patterns
from ingestion_pipeline.tracking.resolve import require_tracked, resolve_partition

GPU_POOL = "gpu"
RESOURCES = {"services", "repository_lock"}


class SyncConfig(dg.Config):
    """How this run differs from others."""

    full_reindex: bool = Field(
        default=False, description="Parse, embed and write every file again."
    )
    allow_mass_deletion: bool = Field(
        default=False, description="Go on though most of the repository's files are gone."
    )
    branches: list[str] = Field(
        default_factory=list, description="The tracked branches to look at; empty for all of them."
    )
    ignore_patterns: list[str] | None = Field(
        default=None,
        description="Files to leave out from now on, in gitignore syntax. Unset: as before.",
    )

    def to_options(self) -> SyncOptions:
        """Return what the steps take."""
        patterns = None if self.ignore_patterns is None else tuple(self.ignore_patterns)
        return SyncOptions(
            self.full_reindex, self.allow_mass_deletion, tuple(self.branches), patterns
        )


def _begin(context: dg.OpExecutionContext, repository: TrackedRepository) -> Services:
    services: Services = context.resources.services
    context.resources.repository_lock.acquire(repository.source)
    require_tracked(repository, services.state)
    return services


def _target(services: Services, repository: TrackedRepository) -> IndexTarget:
    services.store.ensure_collection(services.collection)
    services.rollout.begin()
    return services.make_target(repository)


def _resolve(context: dg.OpExecutionContext) -> TrackedRepository:
    services: Services = context.resources.services
    # A job was accepted for a repository that was tracked; purged since, it is not to come back.
    may_adopt = JOB_TAG not in context.run.tags
    return resolve_partition(
        *(context.partition_key, services.hosts, services.state, services.clock),
        may_adopt=may_adopt,
    )


@dg.op(
    required_resource_keys=RESOURCES,
    description="Fetch what is missing and compare it with the index.",
)
def clone_repository(
    context: dg.OpExecutionContext, config: SyncConfig
) -> dg.Output[ClonedRepository]:
    """Ask the host about the repository, fetch it, and compare its trees with the state."""
    with trace_op(context), dagster_errors(context):
        repository = _resolve(context)
        services, options = _begin(context, repository), config.to_options()
        if options.ignore_patterns is not None:
            validate_ignore_patterns(options.ignore_patterns)
            services.state.set_ignore_patterns(repository.source, options.ignore_patterns)
            repository = replace(repository, ignore_patterns=options.ignore_patterns)
        with tell_run_progress(context, services, "clone") as progress:
            cloned = clone(
                repository,
                services.hosts[repository.source.kind],
                services.open_mirror(repository.source),
                _target(services, repository),
                services.records,
                services.settings.data_path / "work" / context.run_id,
                services.clock,
                progress,
                options,
            )
        for branch in cloned.missing_branches:
            context.log.warning(f"Branch {branch} is gone; its points stay until it is untracked.")
        for branch in cloned.branches:
            for note in branch.notes:
                context.log.warning(f"{branch.branch}: {note}")
        return dg.Output(cloned, metadata=describe_clone(cloned))


@dg.op(required_resource_keys=RESOURCES, description="Facts per file with tree-sitter.")
def parse_repository(
    context: dg.OpExecutionContext, cloned: ClonedRepository
) -> dg.Output[ParsedRepository]:
    """Parse what nobody has parsed before."""
    with trace_op(context), dagster_errors(context):
        services = _begin(context, cloned.repository)
        mirror = services.open_mirror(cloned.repository.source)
        with (
            tell_run_progress(context, services, "parse") as progress,
            services.open_parser() as parse_files,
        ):
            parsed = parse(cloned, mirror, services.records, parse_files, progress)
        return dg.Output(parsed, metadata=describe_parse(parsed))


@dg.op(
    required_resource_keys=RESOURCES,
    pool=GPU_POOL,
    description="Build the code graph and embed every node.",
)
def embed_repository(
    context: dg.OpExecutionContext, parsed: ParsedRepository
) -> dg.Output[EmbeddedRepository]:
    """Build and encode the graphs of the changed branches."""
    with trace_op(context), dagster_errors(context):
        services = _begin(context, parsed.cloned.repository)
        with tell_run_progress(context, services, "embed") as progress:
            embedded = embed(
                parsed,
                lambda: services.encoder,
                services.records,
                services.word_vectors,
                services.heard,
                progress,
            )
        return dg.Output(embedded, metadata=describe_embed(embedded))


@dg.op(
    required_resource_keys=RESOURCES,
    out=dg.Out(dg.Nothing),
    description="Upsert what changed, delete what went, commit the state.",
)
def upsert_points(
    context: dg.OpExecutionContext, embedded: EmbeddedRepository
) -> dg.MaterializeResult:  # pyright: ignore[reportMissingTypeArgument]
    """Write the points; the data version is the host's ``pushed_at`` and our fingerprint."""
    with trace_op(context), dagster_errors(context):
        cloned = embedded.parsed.cloned
        services = _begin(context, cloned.repository)
        code_map_path: Path | None = embedded.code_map_path
        code_map = read_code_map(code_map_path)
        target = _target(services, cloned.repository)
        with tell_run_progress(context, services, "upsert") as progress:
            result = upsert(embedded, target, services.clock, progress)
        record_success(services.state, services.clock, context.run_id, result)
        services.state.remove_progress(context.run_id)
        if services.rollout.finish():
            context.log.info(f"Searches answer from {target.collection} now; all have moved to it.")
        fingerprint = PARTIAL if cloned.is_partial else target.fingerprint
        version = format_data_version(cloned.pushed_at, fingerprint)
        return dg.MaterializeResult(
            metadata=describe_sync(result, code_map), data_version=dg.DataVersion(version)
        )
