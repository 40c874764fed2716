"""The words of a file, its symbols and of directories, per field."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import PurePosixPath

import numpy as np

from ingestion_pipeline.core.graph import TermField, TermMatrix
from ingestion_pipeline.core.records import FileStructure, FileText, TermRows
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.graph.term_rows import join_terms

_Row = tuple[tuple[int, ...], tuple[int, ...]]
"""Term ids, sorted, and their counts."""


def _count_row(words: Iterable[str]) -> _Row:
    counts = count_terms(words)
    terms = sorted(counts)
    return tuple(terms), tuple(map(counts.__getitem__, terms))


@lru_cache(maxsize=100_000)
def _count_name(name: str) -> _Row:
    return _count_row(split_text(name))


def _pack_rows(rows: Sequence[_Row]) -> TermRows:
    lengths = np.fromiter((len(ids) for ids, _ in rows), np.int64, len(rows))
    total = int(lengths.sum())
    return TermRows(
        lengths,
        np.fromiter(chain.from_iterable(ids for ids, _ in rows), np.uint32, total),
        np.fromiter(chain.from_iterable(counts for _, counts in rows), np.float32, total),
    )


def _pack_places(path: PurePosixPath, structure: FileStructure) -> TermRows:
    """A symbol's path is the file's name and the enclosing symbol's; a file's the folders above."""
    file_words = split_text(path.stem)
    known: dict[str, _Row] = {}
    rows = [_count_name(str(path.parent))]
    for parent in structure.parents.tolist():
        outer = str(structure.names[parent]) if parent >= 0 else ""
        if outer not in known:
            known[outer] = _count_row([*file_words, *split_text(outer)])
        rows.append(known[outer])
    return _pack_rows(rows)


def make_document_terms(
    path: str, structure: FileStructure, text: FileText
) -> dict[TermField, TermRows]:
    """Return the words of a file and its symbols.

    Args:
        path: Repository path of the file.
        structure: Its structure.
        text: Its text.

    Returns:
        Per field: row 0 the file, then its symbols.
    """
    place = PurePosixPath(path)
    names = [_count_name(place.stem), *map(_count_name, structure.names)]
    return {
        TermField.NAME: _pack_rows(names),
        TermField.BODY: text.body_terms,
        TermField.PATH: _pack_places(place, structure),
        TermField.DOC: text.doc_terms,
    }


def make_directory_terms(directories: Sequence[str]) -> dict[TermField, TermRows]:
    """Return the words of directories: the name, and the path; they have no text of their own.

    Args:
        directories: Their paths, "" for the root.

    Returns:
        Per field a row a directory.
    """
    names = [_count_name(path.rpartition("/")[2]) for path in directories]
    nothing = _pack_rows([((), ())] * len(directories))
    return {
        TermField.NAME: _pack_rows(names),
        TermField.BODY: nothing,
        TermField.PATH: _pack_rows([_count_name(path) for path in directories]),
        TermField.DOC: nothing,
    }


def join_document_terms(
    parts: Iterable[Mapping[TermField, TermRows]],
) -> dict[TermField, TermMatrix]:
    """Return the rows of all parts, in order, as one matrix a field."""
    parts = list(parts)
    return {field: join_terms([part[field] for part in parts]) for field in TermField}
