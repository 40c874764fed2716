"""Facts to Arrow rows and back: the schema of the facts file."""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

import pyarrow as pa

from ingestion_pipeline.artifacts.term_columns import (
    TERM_COUNTS,
    TERM_IDS,
    make_offsets,
    read_terms,
    term_arrays,
)
from ingestion_pipeline.core.code import FileFacts, Reference, SkippedFile, Symbol, SymbolKind

_TERMS = [
    pa.field("body_ids", TERM_IDS),
    pa.field("body_counts", TERM_COUNTS),
    pa.field("doc_ids", TERM_IDS),
    pa.field("doc_counts", TERM_COUNTS),
]
_SYMBOL_TEXTS = ("kind", "name", "key", "signature", "docstring")
_SYMBOL_NUMBERS = ("start_line", "end_line", "parent")
_SYMBOL = pa.struct(
    [
        *(pa.field(name, pa.string()) for name in _SYMBOL_TEXTS),
        *(pa.field(name, pa.int32()) for name in _SYMBOL_NUMBERS),
        *_TERMS,
    ]
)
_REFERENCE = pa.struct([pa.field("symbol", pa.int32()), pa.field("name", pa.string())])

# A row is a file with facts where ``reason`` is null, and a skipped file otherwise.
SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("blob_sha", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("language", pa.string()),
        pa.field("size_bytes", pa.int64()),
        pa.field("line_count", pa.int64()),
        pa.field("docstring", pa.string()),
        pa.field("imports", pa.list_(pa.string())),
        pa.field("symbols", pa.list_(_SYMBOL)),
        pa.field("calls", pa.list_(_REFERENCE)),
        pa.field("bases", pa.list_(_REFERENCE)),
        *_TERMS,
    ]
)


def _term_columns(owners: Sequence[FileFacts] | Sequence[Symbol]) -> list[pa.Array]:
    return [
        *term_arrays([owner.body_terms for owner in owners]),
        *term_arrays([owner.doc_terms for owner in owners]),
    ]


def _make_symbols(files: Sequence[FileFacts]) -> pa.ListArray:
    symbols = [symbol for facts in files for symbol in facts.symbols]
    texts = [pa.array([str(getattr(s, n)) for s in symbols], pa.string()) for n in _SYMBOL_TEXTS]
    numbers = [pa.array([getattr(s, n) for s in symbols], pa.int32()) for n in _SYMBOL_NUMBERS]
    values = pa.StructArray.from_arrays(
        [*texts, *numbers, *_term_columns(symbols)], fields=list(_SYMBOL)
    )
    return pa.ListArray.from_arrays(make_offsets([len(f.symbols) for f in files]), values)


def _make_references(rows: Sequence[Sequence[Reference]]) -> pa.ListArray:
    flat = list(chain.from_iterable(rows))
    values = pa.StructArray.from_arrays(
        [
            pa.array([reference.symbol for reference in flat], pa.int32()),
            pa.array([reference.name for reference in flat], pa.string()),
        ],
        fields=list(_REFERENCE),
    )
    return pa.ListArray.from_arrays(make_offsets([len(row) for row in rows]), values)


def _as_empty_facts(item: FileFacts | SkippedFile) -> FileFacts:
    if isinstance(item, FileFacts):
        return item
    return FileFacts(item.path, item.blob_sha, language="", size_bytes=0, line_count=0)


def to_table(items: Sequence[FileFacts | SkippedFile]) -> pa.Table:
    """Return one row an item, in order, in ``SCHEMA``."""
    files = [_as_empty_facts(item) for item in items]
    reasons = [item.reason if isinstance(item, SkippedFile) else None for item in items]
    columns = [
        pa.array([file.path for file in files], pa.string()),
        pa.array([file.blob_sha for file in files], pa.string()),
        pa.array(reasons, pa.string()),
        pa.array([file.language for file in files], pa.string()),
        pa.array([file.size_bytes for file in files], pa.int64()),
        pa.array([file.line_count for file in files], pa.int64()),
        pa.array([file.docstring for file in files], pa.string()),
        pa.array([file.imports for file in files], pa.list_(pa.string())),
        _make_symbols(files),
        _make_references([file.calls for file in files]),
        _make_references([file.bases for file in files]),
        *_term_columns(files),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _split(column: pa.ListArray, values: list) -> list[tuple]:
    """Cut the flat ``values`` of a list column into one tuple a row."""
    offsets = column.offsets.to_numpy()
    bounds = (offsets - offsets[0]).tolist()
    return [tuple(values[low:high]) for low, high in pairwise(bounds)]


def _read_symbols(column: pa.ListArray) -> list[tuple[Symbol, ...]]:
    fields = dict(zip((f.name for f in _SYMBOL), column.flatten().flatten(), strict=True))
    scalars = [fields[name].to_pylist() for name in (*_SYMBOL_TEXTS, *_SYMBOL_NUMBERS)]
    body = read_terms(fields["body_ids"], fields["body_counts"])
    doc = read_terms(fields["doc_ids"], fields["doc_counts"])
    symbols = [
        Symbol(SymbolKind(kind), *rest) for kind, *rest in zip(*scalars, body, doc, strict=True)
    ]
    return _split(column, symbols)


def _read_references(column: pa.ListArray) -> list[tuple[Reference, ...]]:
    owners, names = column.flatten().flatten()
    flat = map(Reference, owners.to_pylist(), names.to_pylist())
    return _split(column, list(flat))


def _single_batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def read_file_rows(table: pa.Table) -> Iterator[FileFacts]:
    """Yield the rows that have facts; the inverse of ``to_table``."""
    table = table.filter(table["reason"].is_null())
    if not table.num_rows:
        return
    batch = _single_batch(table)
    columns = {name: batch.column(name) for name in batch.schema.names}
    rows = zip(
        *(columns[n].to_pylist() for n in ("path", "blob_sha", "language", "size_bytes")),
        columns["line_count"].to_pylist(),
        _read_symbols(columns["symbols"]),
        map(tuple, columns["imports"].to_pylist()),
        _read_references(columns["calls"]),
        _read_references(columns["bases"]),
        read_terms(columns["body_ids"], columns["body_counts"]),
        read_terms(columns["doc_ids"], columns["doc_counts"]),
        columns["docstring"].to_pylist(),
        strict=True,
    )
    for row in rows:
        yield FileFacts(*row)


def read_skipped_rows(table: pa.Table) -> Iterator[SkippedFile]:
    """Yield the rows that were skipped, from a table of path, blob_sha and reason."""
    for row in table.filter(table["reason"].is_valid()).to_pylist():
        yield SkippedFile(**row)
