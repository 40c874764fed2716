"""The table that gives every term its direction."""

import hashlib
from functools import cache

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.embed.version import ENCODER_DIM

TABLE_ROWS = 1 << 16
"""Rows that terms share by the lower 16 bits of their ids."""

NO_WORDS_ROW = TABLE_ROWS
"""The row after those: it stands for a node without a single word."""

_SEED = b"ingestion_pipeline hashbag-1"


def get_rows(term_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row of each term."""
    return term_ids & (TABLE_ROWS - 1)


@cache
def _read_signs() -> npt.NDArray[np.uint8]:
    """Return the (TABLE_ROWS + 1, D / 8) bytes that hold the table's signs, 2 MB."""
    width = ENCODER_DIM // 8
    stream = hashlib.shake_256(_SEED).digest((TABLE_ROWS + 1) * width)
    return np.frombuffer(stream, np.uint8).reshape(TABLE_ROWS + 1, width)


@cache
def _make_entries() -> npt.NDArray[np.float32]:
    """Return the (256, 8) entries that each byte of signs stands for."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return (bits.astype(np.float32) * 2 - 1) / np.float32(ENCODER_DIM**0.5)


def make_rows(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return (R, D) float32, the table's rows of these numbers."""
    return _make_entries()[_read_signs()[rows]].reshape(len(rows), ENCODER_DIM)


def make_table() -> npt.NDArray[np.float32]:
    """Return the (TABLE_ROWS + 1, D) float32 table of ±1/√D, the same everywhere and for ever.

    Random signs keep unrelated terms nearly at right angles (Achlioptas 2003, "Database-friendly
    random projections"), so a bag of them keeps the cosines of its TF-IDF vector to about
    1/√D. The bits are SHAKE-256's (FIPS 202) over a fixed seed rather than a library's random
    generator, whose stream may change with its version.
    """
    return _make_entries()[_read_signs()].reshape(TABLE_ROWS + 1, ENCODER_DIM)
