"""Points: what a repository's graph and vectors become, and the stores that hold them.

Belongs here: building points out of a graph and its vectors, deciding what changed, writing it in
the order that survives a crash, and the adapters of the ``PointStore`` port (``EdgePointStore``,
embedded; ``QdrantPointStore``, a server or cluster). Does not belong here: parsing, encoding,
settings, Dagster, and how a search is put together from its parts.

The data comes from ``graph`` and ``embed`` through the types of ``core`` and ends in a store; what
was written is remembered through the ``StateStore`` port.
"""
