"""The code graph: directories, files and symbols, and how they use one another.

Belongs here: which node contains, imports, calls or inherits from which, resolved by name and path
alone, and the words on every node. Does not belong here: reading source (``parse``), vectors
(``embed``), files on disk (``artifacts``).

The data flows ``FileStructure`` of every file → ``collect`` (flat arrays) → ``folders``, ``paths``
and ``imports`` (file to file) → ``references`` (calls and inheritance) → ``GraphStructure``. The
words of each file come from ``document_terms``, one file at a time. ``build_graph`` puts both and
the table of nodes together from ``FileFacts``. The graph is a function of the set of files: their
order does not matter.
"""

from ingestion_pipeline.graph.build import build_graph
from ingestion_pipeline.graph.document_terms import (
    join_document_terms,
    make_directory_terms,
    make_document_terms,
)
from ingestion_pipeline.graph.structure import build_structure

__all__ = [
    "build_graph",
    "build_structure",
    "join_document_terms",
    "make_directory_terms",
    "make_document_terms",
]
