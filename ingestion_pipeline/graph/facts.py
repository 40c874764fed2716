"""Facts as the compact records that the graph is built from."""

from collections.abc import Sequence

import numpy as np

from ingestion_pipeline.core.code import FileFacts, Reference
from ingestion_pipeline.core.records import FileStructure, FileText, References
from ingestion_pipeline.graph.term_rows import pack_terms


def _make_references(references: Sequence[Reference]) -> References:
    pairs = sorted({(r.symbol, r.name) for r in references})
    return References(
        owners=np.array([owner for owner, _ in pairs], np.int32),
        names=[name for _, name in pairs],
    )


def make_structure(facts: FileFacts) -> FileStructure:
    """Return what the graph needs of a file."""
    return FileStructure(
        language=facts.language,
        line_count=facts.line_count,
        imports=facts.imports,
        kinds=[symbol.kind.value for symbol in facts.symbols],
        names=[symbol.name for symbol in facts.symbols],
        parents=np.array([symbol.parent for symbol in facts.symbols], np.int32),
        calls=_make_references(facts.calls),
        bases=_make_references(facts.bases),
    )


def make_text(facts: FileFacts) -> FileText:
    """Return what embedding needs of a file."""
    owners = (facts, *facts.symbols)
    return FileText(
        keys=[symbol.key for symbol in facts.symbols],
        signatures=[symbol.signature for symbol in facts.symbols],
        start_lines=np.array([symbol.start_line for symbol in facts.symbols], np.int32),
        end_lines=np.array([symbol.end_line for symbol in facts.symbols], np.int32),
        body_terms=pack_terms([owner.body_terms for owner in owners]),
        doc_terms=pack_terms([owner.doc_terms for owner in owners]),
    )
