"""The code graph: directories, files and symbols, and how they use one another.

Belongs here: which node contains, imports, calls or inherits from which, resolved by name and path
alone, and the words on every node. Does not belong here: reading source (``parse``), vectors
(``embed``), files on disk (``artifacts``).

The data flows ``FileFacts`` of every file → ``collect`` (compact rows) → ``paths`` and ``imports``
(file to file) → ``references`` (calls and inheritance) → ``CodeGraph``. The graph is a function of
the set of facts: their order does not matter.
"""

from ingestion_pipeline.graph.build import build_graph

__all__ = ["build_graph"]
