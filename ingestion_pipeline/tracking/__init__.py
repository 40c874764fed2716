"""Which repositories are tracked, and what a partition key stands for.

Belongs here: tracking and untracking, resolving a partition key at the start of a run, following
renames, and comparing the rows with the orchestrator's partition keys. Does not belong here:
whether a repository is stale (``freshness``), talking to a host (``sources``), Dagster.
A name comes in, the host is asked, a row goes into the state store.
"""
