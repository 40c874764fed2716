"""Taking facts in, one file at a time, as compact rows that the graph is built from."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.code import FileFacts, Reference
from ingestion_pipeline.core.graph import TermField
from ingestion_pipeline.core.records import TermRows
from ingestion_pipeline.core.terms import count_terms, split_text
from ingestion_pipeline.graph.languages import get_family
from ingestion_pipeline.graph.term_rows import pack_terms


class Vocabulary:
    """Numbers for names, one for each pair of family and name."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, family: str, name: str) -> int:
        """Return the number of a name, a new one at its first use."""
        return self._numbers.setdefault((family, name), len(self._numbers))


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """What the table of nodes keeps of a symbol."""

    kind: str
    name: str
    key: str
    signature: str
    docstring: str
    start_line: int
    end_line: int
    parent: int


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """One file's facts without dicts: a tenth of the memory of ``FileFacts``.

    Args:
        path: Repository path.
        family: Of its language.
        blob_sha, language, line_count, docstring, imports: As in ``FileFacts``.
        symbols: As in ``FileFacts``.
        defined: (S,) int32, the symbols' names as numbers.
        calls: (2, C) int32: symbol (-1 for the file) and name number, unique, sorted.
        bases: (2, B) int32, likewise.
        terms: Per field, row 0 the file, then its symbols.
    """

    path: str
    family: str
    blob_sha: str
    language: str
    line_count: int
    docstring: str
    imports: tuple[str, ...]
    symbols: tuple[SymbolRow, ...]
    defined: npt.NDArray[np.int32]
    calls: npt.NDArray[np.int32]
    bases: npt.NDArray[np.int32]
    terms: dict[TermField, TermRows]


def _number_references(
    references: Sequence[Reference], family: str, vocabulary: Vocabulary
) -> npt.NDArray[np.int32]:
    pairs = sorted({(r.symbol, vocabulary.number(family, r.name)) for r in references})
    return np.array(pairs, np.int32).reshape(-1, 2).T


def _pack_fields(facts: FileFacts) -> dict[TermField, TermRows]:
    """Return the terms of the file and its symbols.

    A symbol's path is the file's name and the enclosing symbol's; a file's the folders above it.
    """
    path = PurePosixPath(facts.path)
    file_words = split_text(path.stem)
    names, places = [file_words], [split_text(str(path.parent))]
    for symbol in facts.symbols:
        names.append(split_text(symbol.name))
        outer = split_text(facts.symbols[symbol.parent].name) if symbol.parent >= 0 else []
        places.append(file_words + outer)
    owners = (facts, *facts.symbols)
    return {
        TermField.NAME: pack_terms([count_terms(words) for words in names]),
        TermField.BODY: pack_terms([owner.body_terms for owner in owners]),
        TermField.PATH: pack_terms([count_terms(words) for words in places]),
        TermField.DOC: pack_terms([owner.doc_terms for owner in owners]),
    }


def _collect_file(facts: FileFacts, vocabulary: Vocabulary) -> CollectedFile:
    family = get_family(facts.language)
    symbols = tuple(
        SymbolRow(
            s.kind.value,
            s.name,
            s.key,
            s.signature,
            s.docstring,
            s.start_line,
            s.end_line,
            s.parent,
        )
        for s in facts.symbols
    )
    defined = [vocabulary.number(family, symbol.name) for symbol in symbols]
    return CollectedFile(
        path=facts.path,
        family=family,
        blob_sha=facts.blob_sha,
        language=facts.language,
        line_count=facts.line_count,
        docstring=facts.docstring,
        imports=facts.imports,
        symbols=symbols,
        defined=np.array(defined, np.int32),
        calls=_number_references(facts.calls, family, vocabulary),
        bases=_number_references(facts.bases, family, vocabulary),
        terms=_pack_fields(facts),
    )


def collect_files(facts: Iterable[FileFacts]) -> list[CollectedFile]:
    """Return the files sorted by path; ``facts`` is consumed once and not kept.

    Raises:
        ValueError: Two facts have the same path.
    """
    vocabulary = Vocabulary()
    files = sorted((_collect_file(f, vocabulary) for f in facts), key=lambda file: file.path)
    for first, second in itertools.pairwise(files):
        if first.path == second.path:
            raise ValueError(f"Two facts for the path {first.path!r}; a branch has each path once.")
    return files
