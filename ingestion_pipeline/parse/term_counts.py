"""Counts of words per span of a file, with the file scanned once."""

import re
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.parse.captures import Span

# Bytes instead of text, so that positions are tree-sitter's; every byte of a non-ASCII character
# counts as a letter here, and ``split_text`` splits the piece again.
_PIECE = re.compile(rb"[A-Za-z_\x80-\xff][0-9A-Za-z_\x80-\xff]*")
# Longer pieces are encoded data, not names.
_MAX_PIECE_BYTES = 200


class TermCounter:
    """Positions and ids of all words of one file, in order.

    Args:
        source: UTF-8 text; blank what shall not count.
    """

    def __init__(self, source: bytes) -> None:
        positions: list[int] = []
        term_ids: list[int] = []
        for match in _PIECE.finditer(source):
            start, end = match.span()
            if end - start <= _MAX_PIECE_BYTES:
                found = _hash_piece(match.group())
                term_ids.extend(found)
                positions.extend([start] * len(found))
        self._positions: npt.NDArray[np.int64] = np.asarray(positions, dtype=np.int64)
        self._term_ids: npt.NDArray[np.int64] = np.asarray(term_ids, dtype=np.int64)

    def count(self, start: int, end: int) -> dict[int, int]:
        """Return term id → count for the words that start in the half-open byte range."""
        first, last = np.searchsorted(self._positions, (start, end))
        return _count_ids(self._term_ids[first:last])

    def count_all(self) -> dict[int, int]:
        """Return term id → count over the whole file."""
        return _count_ids(self._term_ids)


def count_text(text: str) -> dict[int, int]:
    """Return term id → count over a text."""
    return TermCounter(text.encode("utf-8")).count_all()


def blank_spans(source: bytes, spans: Iterable[Span]) -> bytes:
    """Return the source with every span overwritten by spaces; positions stay, lines do not."""
    blanked = bytearray(source)
    for start, end in spans:
        blanked[start:end] = b" " * (end - start)
    return bytes(blanked)


@lru_cache(maxsize=200_000)
def _hash_piece(piece: bytes) -> tuple[int, ...]:
    return tuple(map(hash_term, split_text(piece.decode("utf-8", "replace"))))


def _count_ids(term_ids: npt.NDArray[np.int64]) -> dict[int, int]:
    ids, counts = np.unique(term_ids, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))
