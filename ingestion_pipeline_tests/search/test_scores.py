"""Standardized scores: what they keep, and what becomes of signals that say little."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingestion_pipeline.search.scores import (
    fuse_related,
    fuse_words,
    keep_best,
    standardize,
    support_files,
)

SCORES = st.lists(st.floats(-100, 100), min_size=1, max_size=30).map(np.array)


@given(scores=SCORES, scale=st.floats(0.1, 50), shift=st.floats(-50, 50))
def test_neither_unit_nor_zero_of_a_signal_counts(
    scores: np.ndarray, scale: float, shift: float
) -> None:
    assume(scores.std() > 1e-3)
    standard = standardize(scores * scale + shift)
    np.testing.assert_allclose(standard, standardize(scores), atol=1e-6)


@given(scores=SCORES)
def test_the_order_stays(scores: np.ndarray) -> None:
    order = np.argsort(scores, kind="stable")
    assert (np.diff(standardize(scores)[order]) >= -1e-9).all()


def test_what_a_signal_did_not_return_is_as_good_as_its_last() -> None:
    standard = standardize(np.array([3.0, -np.inf, 1.0]))
    assert standard.tolist() == [1.0, -1.0, -1.0]
    assert standardize(np.array([-np.inf, -np.inf])).tolist() == [0.0, 0.0]


def test_a_signal_that_tells_nothing_apart_changes_nothing() -> None:
    words, dense = np.array([5.0, 2.0, 1.0]), np.array([0.4, 0.4, 0.4])
    np.testing.assert_allclose(fuse_words(words, dense), standardize(words))


def test_shared_commits_and_edges_lift_a_file() -> None:
    same, none = np.array([1.0, 1.0, 1.0]), np.zeros(3)
    edges = np.array([0.0, 2, 0])
    assert fuse_related(same, same, edges, none, none).argmax() == 1
    assert fuse_related(same, same, edges, np.array([0, 0, 5.0]), none).argmax() == 2
    assert fuse_related(same, same, none, none, np.array([3.0, 0, 0])).argmax() == 0


def test_a_file_is_found_through_its_best_symbol() -> None:
    files = np.array([1.0, 0.9, 0.0])
    words, dense = np.array([9.0, 1, 1, 1]), np.array([0.9, 0.1, 0.1, 0.1])
    owners = np.array([1, 0, 0, -1])
    supported = support_files(files, words, dense, owners)
    assert supported.argmax() == 1
    # One without symbols stands as one whose symbols are the worst.
    assert supported[0] - supported[2] == pytest.approx(1)
    nothing = np.zeros(0)
    assert support_files(files, nothing, nothing, np.zeros(0, np.int64)).tolist() == files.tolist()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_best_are_kept(count: int) -> None:
    kept = keep_best(np.array([1.0, 3.0, 2.0]), count)
    assert np.isfinite(kept).sum() == min(count, 3)
    assert kept[1] == 3.0
