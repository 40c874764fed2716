"""Counts of words per span of a file, with the file scanned once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from ingestion_pipeline.core.terms import hash_term, split_identifier, split_text
from ingestion_pipeline.parse.captures import Span

# Bytes instead of text, so that positions are tree-sitter's. A run is of letters, digits and ``_``;
# every byte of a non-ASCII character counts as a letter, and ``split_text`` splits it again. The
# word of a run starts at its first letter: ``0xFF`` is ``xFF``.
_DIGITS = b"0123456789"
_RUN_BYTES = frozenset(
    _DIGITS + b"_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + bytes(range(128, 256))
)
# Blanking what is in no run and splitting at blanks is three times as fast as an expression.
_RUNS_ONLY = bytes(byte if byte in _RUN_BYTES else ord(" ") for byte in range(256))
_BLANK = ord(" ")
# Longer words are encoded data, not names.
_MAX_WORD_BYTES = 200
_MAX_KNOWN_RUNS = 400_000


class _TermIds(dict[bytes, tuple[int, ...]]):
    """The ids of the terms in a run, found when first asked for; about 60 MB when full."""

    def __missing__(self, run: bytes) -> tuple[int, ...]:
        word = run.lstrip(_DIGITS)
        if not word or len(word) > _MAX_WORD_BYTES:
            return ()
        name = word.decode("utf-8", "replace")
        # An ASCII word is one identifier; its own cache would hold the same once more.
        terms = split_identifier.__wrapped__(name) if name.isascii() else split_text(name)
        ids = tuple(map(hash_term, terms))
        if word is run:  # numbers are many, and come once
            if len(self) >= _MAX_KNOWN_RUNS:
                self.clear()
            self[run] = ids
        return ids


_TERM_IDS = _TermIds()


class TermCounter:
    """The ids of all words of one file, in order.

    A word belongs to a span when it starts there.

    Args:
        source: UTF-8 text; blank what shall not count.
        cuts: Where the spans start and end that will be counted.
    """

    def __init__(self, source: bytes, cuts: Iterable[int] = ()) -> None:
        self._runs = source.translate(_RUNS_ONLY)
        self._term_ids: list[int] = []
        self._counts_before: dict[int, int] = {}
        position, runs, term_ids = 0, self._runs, self._term_ids
        for cut in sorted({*cuts, len(source)}):
            if cut > position:
                # Nearly every cut lies beside a blank.
                is_clean = cut == len(runs) or runs[cut] == _BLANK or runs[cut - 1] == _BLANK
                end = cut if is_clean else self._finish_word(position, cut)
                term_ids.extend(_read_ids(runs[position:end]))
                position = end
            self._counts_before[cut] = len(term_ids)

    def count(self, start: int, end: int) -> dict[int, int]:
        """Return term id → count for the words that start between two of the cuts."""
        first, last = self._counts_before[start], self._counts_before[end]
        return Counter(self._term_ids[first:last])

    def count_all(self) -> dict[int, int]:
        """Return term id → count over the whole file."""
        return Counter(self._term_ids)

    def _finish_word(self, start: int, cut: int) -> int:
        """Return the cut, or where the word ends that starts before it and goes on behind it.

        Only for a cut within a run.

        That happens next to characters that are no letters and not ASCII, such as wide spaces.
        """
        runs = self._runs
        before = runs[max(start, runs.rfind(b" ", start, cut) + 1) : cut]
        if not before.lstrip(_DIGITS):
            return cut
        end = runs.find(b" ", cut)
        return len(runs) if end < 0 else end


def count_text(text: str) -> dict[int, int]:
    """Return term id → count over a text."""
    return count_bytes(text.encode("utf-8"))


def count_bytes(text: bytes) -> dict[int, int]:
    """Return term id → count over a text in UTF-8."""
    return Counter(_read_ids(text.translate(_RUNS_ONLY)))


def _read_ids(runs: bytes) -> Iterator[int]:
    return chain.from_iterable(map(_TERM_IDS.__getitem__, runs.split()))


def blank_spans(source: bytes, spans: Iterable[Span]) -> bytes:
    """Return the source with every span overwritten by spaces; positions stay, lines do not."""
    blanked = bytearray(source)
    for start, end in spans:
        blanked[start:end] = b" " * (end - start)
    return bytes(blanked)
