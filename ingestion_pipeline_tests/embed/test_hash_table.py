"""The table's bits, which never change."""

import hashlib

import numpy as np

from ingestion_pipeline.embed.hash_table import NO_WORDS_ROW, make_rows, make_table

# Of the float32 table in little-endian bytes, taken from the first version of this code.
SHA256 = "b27b443dbb516d59631c79ee08a7ff706e53072c0b430c31ce922fe992973d7a"


def test_the_table_is_the_same_for_ever() -> None:
    table = make_table()
    assert table.shape == (65_537, 256)
    assert hashlib.sha256(table.astype("<f4").tobytes()).hexdigest() == SHA256


def test_rows_are_those_of_the_table() -> None:
    rows = np.array([0, 7, NO_WORDS_ROW, 7])
    np.testing.assert_array_equal(make_rows(rows), make_table()[rows])
    assert make_rows(rows[:0]).shape == (0, 256)
