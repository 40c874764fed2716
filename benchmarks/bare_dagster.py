"""The yardstick of ``run_overhead``: an asset of the same shape whose ops do nothing.

Loaded by ``dagster asset materialize -m benchmarks.bare_dagster``.
"""

import dagster as dg

PARTITION = "owner/nothing"


@dg.op
def first() -> int:
    """Do nothing."""
    return 1


@dg.op
def second(number: int) -> int:
    """Do nothing."""
    return number


@dg.op
def third(number: int) -> int:
    """Do nothing."""
    return number


@dg.op
def fourth(number: int) -> int:
    """Do nothing."""
    return number


@dg.graph_asset(partitions_def=dg.StaticPartitionsDefinition([PARTITION]))
def nothing():
    """Four ops in a row."""
    return fourth(third(second(first())))


defs = dg.Definitions(assets=[nothing], executor=dg.in_process_executor)
