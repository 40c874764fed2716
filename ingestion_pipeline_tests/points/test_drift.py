"""A point is left alone only when it is truly as near as promised."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.points.drift import KEPT_COSINE, find_kept, quantize, unpack

DIM = 32


def make_units(seed: int, rows: int, peak: float) -> np.ndarray:
    """Unit rows; a high peak makes one component outweigh the others, the worst for int8."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, DIM))
    vectors[:, 0] += peak
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    peak=st.floats(0, 50),
    size=st.floats(0, 0.2),
)
def test_what_is_kept_is_within_the_promised_cosine(seed: int, peak: float, size: float) -> None:
    old = make_units(seed, 20, peak)
    moved = old + size * make_units(seed + 1, 20, 0) * np.linspace(0, 1, 20)[:, None]
    new = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    kept = find_kept(quantize(old), new)
    cosines = np.einsum("pd,pd->p", old, new)
    assert (cosines[kept] >= KEPT_COSINE - 1e-6).all()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), peak=st.floats(0, 50))
def test_a_vector_that_did_not_move_is_kept(seed: int, peak: float) -> None:
    vectors = make_units(seed, 10, peak)
    assert find_kept(quantize(vectors), vectors).all()


def test_a_small_move_of_an_ordinary_vector_is_kept_and_a_large_one_is_not() -> None:
    old = make_units(1, 1, 0)
    across = make_units(2, 1, 0)
    across -= (across @ old.T) * old
    for angle, kept in ((0.005, True), (0.06, False)):
        moved = old + angle * across
        new = (moved / np.linalg.norm(moved)).astype(np.float32)
        assert find_kept(quantize(old), new).tolist() == [kept]


def test_vectors_of_another_size_are_unknown() -> None:
    stored = quantize(make_units(1, 2, 0)).tobytes()
    assert unpack(stored, 2, DIM) is not None
    assert unpack(stored, 3, DIM) is None
    assert unpack(b"", 2, DIM) is None
    assert unpack(b"", 0, DIM) is None
