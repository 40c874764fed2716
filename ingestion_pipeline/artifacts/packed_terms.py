"""Term rows as bytes: 2 or 3 bytes a term instead of 8.

Term ids are CRC-32 values, which no general compressor shortens. But a file's symbols repeat the
words of the file, so a row holds places in one list of the file's distinct ids, one or two bytes
each, and counts are nearly always below 256.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec
import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.records import TermRows


class PackedRows(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """One ``TermRows``.

    Args:
        lengths: (R,) int32.
        places: (T,) uint8, uint16 or uint32, by the number of distinct ids.
        counts: (T,) uint8, uint16 or float32: the smallest that is exact.
    """

    lengths: bytes
    places: bytes
    counts: bytes


_COUNT_TYPES = {1: "<u1", 2: "<u2", 4: "<f4"}


def make_term_rows(rows: Sequence[Mapping[int, int]]) -> TermRows:
    """Return term id → count mappings as arrays; one sort for all of them."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    total = int(lengths.sum())
    ids = np.fromiter(chain.from_iterable(rows), np.int64, total)
    counts = np.fromiter(chain.from_iterable(row.values() for row in rows), np.float32, total)
    order = np.argsort((np.repeat(np.arange(len(rows)), lengths) << 32) | ids)
    return TermRows(lengths, ids[order].astype(np.uint32), counts[order])


def list_distinct_ids(*fields: TermRows) -> npt.NDArray[np.uint32]:
    """Return the term ids of all fields, sorted, each once."""
    return np.unique(np.concatenate([rows.term_ids for rows in fields]))


def pack_rows(rows: TermRows, distinct_ids: npt.NDArray[np.uint32]) -> PackedRows:
    """Return one field as bytes.

    Raises:
        ValueError: The lengths do not add up to the number of terms.
    """
    if not rows.lengths.sum() == len(rows.term_ids) == len(rows.counts):
        raise ValueError("The rows of terms do not add up to the terms.")
    places = np.searchsorted(distinct_ids, rows.term_ids)
    return PackedRows(
        rows.lengths.astype("<i4").tobytes(),
        places.astype(_place_type(len(distinct_ids))).tobytes(),
        rows.counts.astype(_find_count_type(rows.counts)).tobytes(),
    )


def unpack_rows(packed: PackedRows, distinct_ids: npt.NDArray[np.uint32]) -> TermRows:
    """Return what ``pack_rows`` packed.

    Raises:
        ValueError: The parts do not fit together.
        IndexError: A place is beyond the distinct ids.
    """
    lengths = np.frombuffer(packed.lengths, "<i4").astype(np.int64)
    places = np.frombuffer(packed.places, _place_type(len(distinct_ids)))
    if not len(places):
        return TermRows(lengths, np.empty(0, np.uint32), np.empty(0, np.float32))
    count_type = _COUNT_TYPES.get(len(packed.counts) // len(places), "<f4")
    counts = np.frombuffer(packed.counts, count_type).astype(np.float32)
    if not lengths.sum() == len(places) == len(counts):
        raise ValueError("The rows of terms do not add up to the terms.")
    return TermRows(lengths, distinct_ids[places], counts)


def _place_type(distinct: int) -> str:
    return "<u1" if distinct <= 1 << 8 else "<u2" if distinct <= 1 << 16 else "<u4"


def _find_count_type(counts: npt.NDArray[np.float32]) -> str:
    if not len(counts):
        return "<u1"
    for name, limit in (("<u1", 1 << 8), ("<u2", 1 << 16)):
        if counts.min() >= 0 and counts.max() < limit and (counts == np.floor(counts)).all():
            return name
    return "<f4"
