"""What is heard again, what is not, and that nobody can tell from the vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.embed import ENCODER_DIM, Encoder
from ingestion_pipeline.embed.digests import (
    digest_groups,
    digest_neighbourhoods,
    digest_rows,
)
from ingestion_pipeline.embed.heard import STEP, Heard, hear_all, make_nothing
from ingestion_pipeline_tests.embed.trained import make_layered_encoder

WIDTH = ENCODER_DIM // 4
STRONG = make_layered_encoder(strength=0.05)
OTHER = make_layered_encoder(seed=8, strength=0.05)
WORDS = np.random.default_rng(3).standard_normal((40, ENCODER_DIM)).astype(np.float16)

Edges = dict[Relation, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Graph:
    """Nodes by the number of their words, and who calls and contains whom, by their places."""

    words: tuple[int, ...]
    calls: frozenset[tuple[int, int]]
    contains: frozenset[tuple[int, int]]

    @property
    def h(self) -> npt.NDArray[np.float16]:
        return WORDS[list(self.words)]

    @property
    def edges(self) -> Edges:
        edges = {relation: np.zeros((2, 0), np.int64) for relation in Relation}
        edges[Relation.CALLS] = _make_pairs(self.calls, len(self.words))
        edges[Relation.CONTAINS] = _make_pairs(self.contains, len(self.words))
        return edges


def _make_pairs(pairs: frozenset[tuple[int, int]], count: int) -> npt.NDArray[np.int64]:
    kept = sorted((a % count, b % count) for a, b in pairs if a % count != b % count)
    return np.array(sorted(set(kept)), np.int64).reshape(-1, 2).T


PAIRS = st.frozensets(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40)
GRAPHS = st.builds(
    Graph,
    words=st.lists(st.integers(0, 39), min_size=1, max_size=30).map(tuple),
    calls=PAIRS,
    contains=PAIRS,
)


def edit(graph: Graph, change: tuple[str, int, int]) -> Graph:
    """Return the graph after one edit; later nodes move up or down when one comes or goes."""
    kind, a, b = change
    words = list(graph.words)
    if kind == "word":
        words[a % len(words)] = b
    elif kind == "add":
        words.insert(a % (len(words) + 1), b)
    elif kind == "remove" and len(words) > 1:
        del words[a % len(words)]
    calls = graph.calls ^ {(a, b)} if kind == "call" else graph.calls
    return Graph(tuple(words), calls, graph.contains)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["word", "add", "remove", "call"]), st.integers(0, 39), st.integers(0, 39)
    ),
    min_size=1,
    max_size=6,
)


def hear(encoder: Encoder, graph: Graph, known: Heard | None = None) -> Heard:
    heard = encoder.hear(graph.edges, graph.h, known)
    assert heard is not None
    return heard


def make_vectors(encoder: Encoder, graph: Graph, heard: Heard) -> npt.NDArray[np.float32]:
    together = np.concatenate([*heard.values, np.ones((len(graph.words), 1))], axis=1)
    h = graph.h.astype(np.float32) + together.astype(np.float32) @ encoder.make_projection()
    return encoder.finish(h)


def make_cosines(graph: Graph, one: Heard, other: Heard) -> npt.NDArray[np.float32]:
    vectors = [make_vectors(STRONG, graph, heard) for heard in (one, other)]
    return np.einsum("nd,nd->n", *vectors)


@settings(deadline=None, max_examples=100)
@given(GRAPHS, st.lists(CHANGES, max_size=8), st.sets(st.integers(0, 7)))
def test_any_history_leaves_the_vectors_of_a_full_pass(
    graph: Graph, history: Sequence[list[tuple[str, int, int]]], lost: set[int]
) -> None:
    known: Heard | None = hear(OTHER, graph)  # another encoder's, to begin with
    for number, changes in enumerate(history):
        for change in changes:
            graph = edit(graph, change)
        known = hear(STRONG, graph, None if number in lost else known)
        assert make_cosines(graph, known, hear(STRONG, graph)).min() > 0.999_99


@settings(deadline=None, max_examples=30)
@given(GRAPHS)
def test_the_steps_are_the_whole_pass(graph: Graph) -> None:
    passed = STRONG.pass_messages(graph.edges, len(graph.words), graph.h)
    assert passed is not None
    vectors = make_vectors(STRONG, graph, hear(STRONG, graph))
    np.testing.assert_allclose(vectors, STRONG.finish(passed), atol=1e-3)


@settings(deadline=None, max_examples=30)
@given(GRAPHS)
def test_what_another_encoder_heard_is_not_believed(graph: Graph) -> None:
    heard = hear(STRONG, graph, hear(OTHER, graph))
    assert not np.isin(heard.inputs, hear(OTHER, graph).inputs).any()
    assert make_cosines(graph, heard, hear(STRONG, graph)).min() > 0.999_99


def chain(count: int) -> Graph:
    """Return nodes that call one another in a row."""
    return Graph(tuple(range(count)), frozenset((i, i + 1) for i in range(count - 1)), frozenset())


def record_wanted(graph: Graph, known: Heard | None) -> tuple[Heard, list[list[int]]]:
    """Return what was heard, and per layer the nodes that heard anew."""
    asked: list[list[int]] = []

    def compute(
        wanted: npt.NDArray[np.int64], heard: Sequence[npt.NDArray[np.float16]]
    ) -> npt.NDArray[np.float32]:
        asked.append(wanted.tolist())
        # Anything that all that is heard decides, and that no two neighbourhoods have in common.
        before = digest_rows(graph.h)
        for _ in range(len(heard) + 1):
            before = digest_neighbourhoods(before, graph.edges, 7)
        rows = [np.random.default_rng(int(seed)).standard_normal(WIDTH) for seed in before[wanted]]
        return np.array(rows, np.float32)

    return hear_all(graph.edges, graph.h, [1, 2], WIDTH, known, compute), asked


def test_one_change_is_heard_two_steps_away() -> None:
    graph = chain(9)
    known, asked = record_wanted(graph, None)
    assert asked == [list(range(9)), list(range(9))]
    changed = edit(graph, ("word", 4, 30))
    _, asked = record_wanted(changed, known)
    assert asked == [[3, 4, 5], [2, 3, 4, 5, 6]]


def test_nothing_is_heard_anew_where_nothing_changed() -> None:
    known, _ = record_wanted(chain(9), None)
    again, asked = record_wanted(chain(9), known)
    assert asked == []
    np.testing.assert_array_equal(again.values, known.values)
    np.testing.assert_array_equal(again.digest_nodes(), known.digest_nodes())


def test_a_node_more_at_the_front_moves_nobody() -> None:
    graph = chain(9)
    known, _ = record_wanted(graph, None)
    longer = Graph(
        (20, *graph.words), frozenset((a + 1, b + 1) for a, b in graph.calls), frozenset()
    )
    again, asked = record_wanted(longer, known)
    assert asked == [[0], [0]]
    np.testing.assert_array_equal(again.values[:, 1:], known.values)


def _hear_constant(value: float, known: Heard | None, words: int) -> Heard:
    h = WORDS[words : words + 1]
    edges = {relation: np.zeros((2, 0), np.int64) for relation in Relation}
    # Another salt each time, so that nothing is known but the words.
    return hear_all(
        *(edges, h, [int(value * 1e6)], WIDTH, known),
        lambda wanted, _: np.full((len(wanted), WIDTH), value, np.float32),
    )


def test_less_than_a_step_counts_as_nothing_and_never_adds_up() -> None:
    first = _hear_constant(1.0, None, 0)
    near = _hear_constant(1 + STEP / 2, first, 0)
    np.testing.assert_array_equal(near.values, first.values)
    np.testing.assert_array_equal(near.digest_nodes(), first.digest_nodes())
    # What is kept is the first value still: a second half of a step is seen.
    beyond = _hear_constant(1 + 1.5 * STEP, near, 0)
    np.testing.assert_array_equal(beyond.values, np.float16(1 + 1.5 * STEP))
    other_words = _hear_constant(1 + STEP / 2, first, 1)
    np.testing.assert_array_equal(other_words.values, np.float16(1 + STEP / 2))


def test_what_is_known_with_other_layers_is_passed_over() -> None:
    graph = chain(3)
    heard, asked = record_wanted(graph, make_nothing(1, WIDTH))
    assert asked == [[0, 1, 2], [0, 1, 2]]
    assert heard.inputs.shape == (2, 3)


@given(st.integers(0, ENCODER_DIM - 1), st.integers(0, 15))
def test_any_bit_of_a_row_shows(column: int, bit: int) -> None:
    rows = WORDS[:3].copy()
    before = digest_rows(rows)
    rows.view(np.uint16)[1, column] ^= 1 << bit
    assert (digest_rows(rows) != before).tolist() == [False, True, False]


def test_a_group_is_its_nodes_in_their_order() -> None:
    nodes = np.array([5, 6, 7, 5, 6, 6, 5], np.uint64)
    one, two, three, empty = digest_groups(nodes, np.array([0, 0, -1, 1, 1, 2, 2]), 4)
    assert one == two
    assert len({int(one), int(three), int(empty)}) == 3


def test_who_is_heard_how_shows() -> None:
    nodes = digest_rows(WORDS[:3])
    edges = chain(3).edges
    turned = {**edges, Relation.CALLS: edges[Relation.CALLS][::-1]}
    inherited = {**edges, Relation.CALLS: edges[Relation.INHERITS]}
    inherited[Relation.INHERITS] = edges[Relation.CALLS]
    digests = [digest_neighbourhoods(nodes, some, 1) for some in (edges, turned, inherited)]
    digests.append(digest_neighbourhoods(nodes, edges, 2))
    assert len({tuple(found.tolist()) for found in digests}) == 4
