"""How files belong together: references between them, and the commits that changed them."""

import numpy as np
import pytest

from ingestion_pipeline.core.graph import GraphStructure, NodeType, Relation
from ingestion_pipeline.core.relations import FileRelations, Neighbour
from ingestion_pipeline.graph.relations import (
    HALF_LIFE_COMMITS,
    collect_words,
    count_changes,
    count_references,
    relate_files,
)


def _groups(*groups: list[int]) -> list[np.ndarray]:
    return [np.array(group, np.int64) for group in groups]


def test_references_are_counted_between_files_in_either_direction() -> None:
    # Nodes 0 and 1 are files, 2 a symbol of 0, 3 and 4 symbols of 1, 5 a directory.
    files = np.array([0, 1, 0, 1, 1, -1])
    edges = {
        Relation.IMPORTS: np.array([[0], [1]]),
        Relation.CALLS: np.array([[2, 3, 3, 4], [3, 2, 4, 3]]),
        Relation.INHERITS: np.zeros((2, 0), np.int64),
        Relation.CONTAINS: np.array([[5], [0]]),
    }
    pairs, counts = count_references(edges, files)
    assert (pairs.tolist(), counts.tolist()) == ([[0], [1]], [3])


def test_commits_count_the_less_the_older_and_the_wider_they_are() -> None:
    groups = _groups([2, 0], *[[1]] * (HALF_LIFE_COMMITS - 1), [0, 1, 2])
    pairs, commits, weights, activity = count_changes(groups, 4)
    assert pairs.T.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert commits.tolist() == [1, 2, 1]
    np.testing.assert_allclose(weights, [0.25, 1.25, 0.25])
    assert activity[0] == pytest.approx(1.5)
    assert activity[3] == 0


def test_commits_that_change_too_much_or_nothing_say_nothing() -> None:
    pairs, commits, weights, activity = count_changes(_groups(list(range(9)), []), 9)
    assert pairs.shape == (2, 0)
    assert (len(commits), len(weights), activity.sum()) == (0, 0, 0)
    assert collect_words(_groups(list(range(9)), []), [[1], [2]], 9).offsets.tolist() == [0] * 10


def test_words_of_messages_go_to_the_files_that_were_changed() -> None:
    words = collect_words(_groups([0, 2], [2]), [[7, 2**32 - 1, 7], [7]], 3)
    assert words.offsets.tolist() == [0, 2, 2, 4]
    assert words.term_ids.tolist() == [7, 2**32 - 1] * 2
    assert words.counts.tolist() == [2, 1, 3, 1]


def test_files_that_are_gone_are_passed_over() -> None:
    structure = GraphStructure(
        types=np.array([NodeType.FILE] * 3, np.int8),
        files=np.arange(3),
        paths=["a.py", "b.py", "c.py"],
        first_symbols=np.array([3, 3, 3, 3]),
        directories=[],
        edges={r: np.zeros((2, 0), np.int64) for r in Relation}
        | {Relation.IMPORTS: np.array([[0], [1]])},
    )
    changes = [["c.py", "gone.py"], ["a.py", "c.py"], ["gone.py"]]
    relations = relate_files(structure, changes, [[1], [2], [3]])
    again = FileRelations.unpack(relations.pack())
    for known in (relations, again):
        assert known.find_neighbours("a.py") == {
            "b.py": Neighbour(1),
            "c.py": Neighbour(0, 1, pytest.approx(0.5 ** (1 / HALF_LIFE_COMMITS))),  # pyright: ignore[reportArgumentType]
        }
        assert known.find_neighbours("gone.py") == {}
        assert known.get_activity("b.py") == known.get_activity("gone.py") == 0
        assert known.said.term_ids.tolist() == [2, 1, 2]


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="no packed relations"):
        FileRelations.unpack(b"something else")
