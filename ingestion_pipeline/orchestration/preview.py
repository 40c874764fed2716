"""The dry run as a job: what a sync of a partition would do, in the run's log and metadata."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.repositories import TrackedRepository, validate_partition_key
from ingestion_pipeline.indexing.preview import SyncPreview, preview_sync
from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.orchestration.ops import SyncConfig
from ingestion_pipeline.orchestration.partitions import tracked_repositories
from ingestion_pipeline.orchestration.retries import dagster_errors
from ingestion_pipeline.tracking.track import find_tracked


def preview_repository(
    services: Services, repository: TrackedRepository, options: SyncOptions
) -> SyncPreview:
    """Find out what a sync of a repository would do; see ``indexing.preview``."""
    return preview_sync(
        repository,
        services.hosts[repository.source.kind],
        services.open_mirror(repository.source),
        services.make_target(repository),
        services.records,
        options,
    )


@dg.op(
    required_resource_keys={"services"},
    out=dg.Out(dg.Nothing),
    description="What a sync would add, change, move and delete, and what it would cost.",
)
def preview_sync_of_repository(
    context: dg.OpExecutionContext, config: SyncConfig
) -> dg.Output[None]:
    """Compare and tell; nothing is written."""
    with dagster_errors(context):
        services: Services = context.resources.services
        repository = require_known(services, context.partition_key)
        options = SyncOptions(config.full_reindex, config.allow_mass_deletion)
        preview = preview_repository(services, repository, options)
        for line in describe_preview(preview):
            context.log.info(line)
        return dg.Output(None, metadata=_as_metadata(preview))


def require_known(services: Services, partition_key: str) -> TrackedRepository:
    """Return the tracked repository of a key as its host describes it now; stores nothing.

    Raises:
        RepositoryNotTrackedError: There is none.
    """
    row = find_tracked(validate_partition_key(partition_key), services.state)
    hosted = services.hosts[row.source.kind].refresh_repository(row)
    return replace(row, hosted=hosted)


@dg.job(
    name="preview_sync",
    partitions_def=tracked_repositories,
    description="Dry run: what a sync of a repository would do and cost. Changes nothing.",
)
def preview_job() -> None:
    """One op."""
    preview_sync_of_repository()


def describe_preview(preview: SyncPreview) -> list[str]:
    """Return the preview in lines for a person."""
    counts = preview.counts
    heads = ", ".join(f"{branch}@{sha[:12]}" for branch, sha in preview.heads.items())
    lines = [
        (
            f"{preview.partition_key} at {heads or 'no branch'}: {counts.added:,} files added, "
            f"{counts.modified:,} changed, {counts.moved:,} moved, {counts.deleted:,} deleted, "
            f"{counts.unchanged:,} unchanged."
        )
    ]
    if not preview.is_noop:
        lines.append(
            f"{preview.files_to_parse:,} files to parse, about {preview.points_to_write:,} points "
            f"to embed or compare and write, {preview.points_to_delete:,} points of files that are "
            "gone to delete."
        )
    if preview.is_noop:
        return lines
    if preview.estimated_seconds is None:
        lines.append("How long: unknown before the second sync.")
    else:
        lines.append(f"How long: about {preview.estimated_seconds:,.1f} s, by earlier syncs.")
    lines += [f"Written again as a whole: {reason}." for reason in preview.reasons]
    if preview.stops:
        lines.append(f"The sync would stop: {preview.stops}")
    return lines


def _as_metadata(preview: SyncPreview) -> Mapping[str, Any]:
    counts = preview.counts
    metadata: dict[str, Any] = {
        "files_added": counts.added,
        "files_modified": counts.modified,
        "files_moved": counts.moved,
        "files_deleted": counts.deleted,
        "files_unchanged": counts.unchanged,
        "files_to_parse": preview.files_to_parse,
        "points_to_write": preview.points_to_write,
        "points_to_delete": preview.points_to_delete,
        "heads": dg.MetadataValue.json(preview.heads),
        "summary": dg.MetadataValue.md("\n\n".join(describe_preview(preview))),
    }
    if preview.estimated_seconds is not None:
        metadata["estimated_seconds"] = round(preview.estimated_seconds, 1)
    return metadata
