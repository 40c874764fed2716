"""The asset of the points: a repository's, a graph of four ops, partitioned by repository."""

import dagster as dg

from ingestion_pipeline.composition import get_fingerprint
from ingestion_pipeline.orchestration.history import record_failure
from ingestion_pipeline.orchestration.ops import (
    clone_repository,
    embed_repository,
    parse_repository,
    upsert_points,
)
from ingestion_pipeline.orchestration.partitions import ASSET_KEY, tracked_repositories

DESCRIPTION = """\
The points of one tracked repository in Qdrant, true to its tracked branches.

**clone** fetches into a bare mirror and compares heads with what was indexed, **parse** finds
classes, functions and references with tree-sitter, **embed** builds the code graph and runs the GNN
encoder over it, **upsert** writes what changed, deletes what went and commits the state.

One partition is one repository, `owner/name`. The data version is GitHub's `pushed_at` and
the pipeline's fingerprint; the fingerprint is the code version too, so an upgrade, and another
encoder after the next reload, shows as stale.
"""


@dg.graph_asset(
    key=ASSET_KEY,
    partitions_def=tracked_repositories,
    group_name="ingestion",
    kinds={"github", "qdrant", "pytorch"},
    owners=["team:data-platform"],
    description=DESCRIPTION,
    hooks={record_failure},
)
def repository_points():
    """Clone → parse → embed → upsert."""
    return upsert_points(embed_repository(parse_repository(clone_repository())))


def name_encoder(points: dg.AssetsDefinition, encoder_version: str) -> dg.AssetsDefinition:
    """Return the asset with the code version of an encoder: another one makes partitions stale."""
    version = get_fingerprint(encoder_version)
    return points.map_asset_specs(lambda spec: spec.replace_attributes(code_version=version))
