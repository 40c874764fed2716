"""Ranks, and the baselines against their formulas written out."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.graph import TermField, TermMatrix
from ingestion_pipeline.training.lexical import Bm25, TfIdf, WordIndex
from ingestion_pipeline.training.ranking import (
    bootstrap_ratio,
    find_recall,
    find_reciprocal_rank,
    rank_queries,
)

# The highest ids there are: a term takes all of its 32 bits.
VOCABULARY = [3, 7, 2**31, 2**32 - 1]
DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from(VOCABULARY), st.integers(1, 9)), min_size=1, max_size=8
)


@pytest.mark.parametrize(
    ("scores", "relevant", "expected"),
    [
        ([3, 2, 1], [0], 1),
        ([3, 2, 1], [2], 1 / 3),
        ([3, 2, 1], [1, 2], 1 / 2),
        ([1, 1, 1], [0], 1 / 2),  # the middle of the equal ones
        ([-math.inf, 1], [1], 1),
    ],
)
def test_reciprocal_ranks(scores: list[float], relevant: list[int], expected: float) -> None:
    assert find_reciprocal_rank(np.array(scores), np.array(relevant)) == pytest.approx(expected)


def test_recall_counts_the_first_ten() -> None:
    scores = -np.arange(30.0)
    assert find_recall(scores, np.array([0, 20])) == 0.5
    assert find_recall(scores, np.arange(5, 25)) == 0.5
    assert find_recall(scores[:3], np.array([2])) == 1


def test_queries_are_measured_one_by_one() -> None:
    table = np.array([[3.0, 2, 1], [1, 2, 3]])
    ranked = rank_queries(lambda query: table[query], [np.array([0]), np.array([0])])
    assert ranked.reciprocal_ranks.tolist() == pytest.approx([1, 1 / 3])
    assert (ranked.mrr, ranked.recall) == pytest.approx((2 / 3, 1))


def test_the_interval_holds_the_ratio_and_narrows() -> None:
    rng = np.random.default_rng(1)
    theirs = rng.random(2_000)
    low, high = bootstrap_ratio([theirs * 1.2], [theirs])
    assert low == pytest.approx(1.2)
    assert high == pytest.approx(1.2)
    few = bootstrap_ratio([rng.random(20)], [rng.random(20)])
    many = bootstrap_ratio([rng.random(2_000)], [rng.random(2_000)])
    assert many[1] - many[0] < few[1] - few[0]
    assert many[0] < 1 < many[1]


def make_index(documents: list[dict[int, int]]) -> WordIndex:
    offsets = np.cumsum([0, *(len(one) for one in documents)])
    pairs = [pair for one in documents for pair in sorted(one.items())]
    ids = np.array([term for term, _ in pairs], np.int64)
    counts = np.array([count for _, count in pairs], np.float32)
    empty = TermMatrix(np.zeros(len(documents) + 1, np.int64), ids[:0], counts[:0])
    terms = dict.fromkeys(TermField, empty) | {
        TermField.BODY: TermMatrix(offsets, ids, counts),
        TermField.NAME: TermMatrix(offsets, ids, counts),
    }
    weights = {TermField.BODY: 1.0, TermField.NAME: 2.0}
    return WordIndex(terms, np.arange(len(documents)), weights)


@given(documents=DOCUMENTS, query=st.lists(st.sampled_from(VOCABULARY), max_size=5))
def test_bm25_is_its_formula(documents: list[dict[int, int]], query: list[int]) -> None:
    tripled = [{term: 3 * count for term, count in one.items()} for one in documents]
    average = max(sum(sum(one.values()) for one in tripled) / len(tripled), 1e-9)
    frequency = Counter(term for one in tripled for term in one)
    expected = []
    for one in tripled:
        norm = 1.2 * (1 - 0.75 + 0.75 * sum(one.values()) / average)
        expected.append(
            sum(
                math.log(1 + (len(tripled) - frequency[t] + 0.5) / (frequency[t] + 0.5))
                * (one[t] * 2.2 / (one[t] + norm))
                for t in set(query)
                if t in one
            )
        )
    np.testing.assert_allclose(Bm25(make_index(documents)).score(query), expected, atol=1e-9)


@given(documents=DOCUMENTS, query=st.lists(st.sampled_from(VOCABULARY), max_size=5))
def test_tfidf_is_its_formula(documents: list[dict[int, int]], query: list[int]) -> None:
    frequency = Counter(term for one in documents for term in one)

    def weigh(counts: dict[int, float]) -> dict[int, float]:
        return {
            t: (1 + math.log(n)) * (math.log((1 + len(documents)) / (1 + frequency[t])) + 1)
            for t, n in counts.items()
            if t in frequency
        }

    asked = weigh(dict(Counter(query)))
    expected = []
    for one in documents:
        vector = weigh({term: 3.0 * count for term, count in one.items()})
        norm = math.sqrt(sum(w * w for w in vector.values())) or 1
        expected.append(sum(w * asked.get(t, 0) for t, w in vector.items()) / norm)
    np.testing.assert_allclose(TfIdf(make_index(documents)).score(query), expected, atol=1e-9)


@given(documents=DOCUMENTS, data=st.data())
def test_nothing_is_more_like_a_document_than_itself(
    documents: list[dict[int, int]], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(documents) - 1))
    scores = TfIdf(make_index(documents)).score_like(row)
    assert scores[row] >= scores.max() - 1e-9
    liked = Bm25(make_index(documents)).score_like(row)
    shares = [bool(one.keys() & documents[row].keys()) for one in documents]
    assert [score > 0 for score in liked] == shares
