"""Hypothesis strategies for facts with every field in play."""

from hypothesis import strategies as st

from ingestion_pipeline.core.code import FileFacts, Reference, SkippedFile, Symbol, SymbolKind

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
terms = st.dictionaries(st.integers(0, 2**32 - 1), st.integers(1, 2**31), max_size=5)
references = st.lists(st.builds(Reference, st.integers(-1, 3), texts), max_size=3).map(tuple)
symbols = st.builds(
    Symbol,
    kind=st.sampled_from(SymbolKind),
    name=texts,
    key=texts,
    signature=texts,
    docstring=texts,
    start_line=st.integers(1, 10_000),
    end_line=st.integers(1, 10_000),
    parent=st.integers(-1, 5),
    body_terms=terms,
    doc_terms=terms,
)
files = st.builds(
    FileFacts,
    path=texts,
    blob_sha=texts,
    language=texts,
    size_bytes=st.integers(0, 2**40),
    line_count=st.integers(0, 2**40),
    symbols=st.lists(symbols, max_size=4).map(tuple),
    imports=st.lists(texts, max_size=3).map(tuple),
    calls=references,
    bases=references,
    body_terms=terms,
    doc_terms=terms,
    docstring=texts,
)
skipped = st.builds(SkippedFile, path=texts, blob_sha=texts, reason=texts)
