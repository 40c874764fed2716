"""The dynamic partition: one key per tracked repository."""

import dagster as dg

ASSET_KEY = dg.AssetKey("repository_points")
PARTITIONS_NAME = "tracked_repositories"
PARTITION_TAG = "dagster/partition"

tracked_repositories = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)
