"""File-to-file relations out of the graph's references and the commits of a history."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import GraphStructure, Relation
from ingestion_pipeline.core.relations import FileRelations, FileWords

# Of commits, newest first: one that lies this many back counts half.
HALF_LIFE_COMMITS = 200
MOST_FILES_OF_A_CHANGE = 8
"""A commit that changes more of the indexed files says little about any two of them."""

_REFERENCES = (Relation.IMPORTS, Relation.CALLS, Relation.INHERITS)
Numbers = npt.NDArray[np.int64]


def relate_files(
    structure: GraphStructure,
    changes: Sequence[Sequence[str]],
    messages: Sequence[Sequence[int]],
) -> FileRelations:
    """Return the relations of a branch's files.

    Args:
        structure: The branch's graph.
        changes: Files that each commit changed, newest first; ones that are not indexed any more
            are passed over.
        messages: Term ids of each commit's message, likewise.
    """
    places = {path: place for place, path in enumerate(structure.paths)}
    groups = [np.array([places[p] for p in files if p in places], np.int64) for files in changes]
    count = len(structure.paths)
    pairs, commits, weights, activity = count_changes(groups, count)
    ends, references = count_references(structure.edges, structure.files)
    return FileRelations(
        structure.paths,
        np.vstack([ends, references]).astype(np.int32),
        np.vstack([pairs, commits]).astype(np.int32),
        weights,
        activity,
        collect_words(groups, messages, count),
    )


def count_references(
    edges: dict[Relation, npt.NDArray[np.int64]], files: Numbers
) -> tuple[Numbers, Numbers]:
    """Count imports, calls and inheritance between files.

    Args:
        edges: As in ``CodeGraph``.
        files: (N,) node of each node's file, -1 for directories.

    Returns:
        (2, P) pairs of different files, the smaller number first, and (P,) how many each has.
    """
    ends = np.concatenate([files[edges[relation]] for relation in _REFERENCES], axis=1)
    ends = np.sort(ends[:, (ends >= 0).all(axis=0) & (ends[0] != ends[1])], axis=0)
    count = len(files) + 1  # one number a pair: thousands of times faster than sorting columns
    pairs, counts = np.unique(ends[0] * count + ends[1], return_counts=True)
    return np.vstack([pairs // count, pairs % count]), counts


def count_changes(
    groups: Sequence[Numbers], file_count: int
) -> tuple[Numbers, Numbers, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Count how often files were changed, and changed together.

    Args:
        groups: Files of each commit, newest first; ones of more than ``MOST_FILES_OF_A_CHANGE``
            are left out.
        file_count: F.

    Returns:
        (2, C) pairs, the smaller number first; (C,) commits that changed both; (C,) float32, their
        weight; (F,) float32, each file's own.
    """
    activity = np.zeros(file_count, np.float32)
    together: dict[tuple[int, int], list[float]] = {}
    kept = [group for group in groups if 1 <= len(group) <= MOST_FILES_OF_A_CHANGE]
    for age, group in enumerate(kept):
        fresh = 0.5 ** (age / HALF_LIFE_COMMITS)
        activity[group] += fresh
        weight = fresh / max(len(group) - 1, 1)
        ordered = np.sort(group).tolist()
        for at, first in enumerate(ordered):
            for second in ordered[at + 1 :]:
                seen = together.setdefault((first, second), [0, 0.0])
                seen[0] += 1
                seen[1] += weight
    pairs = sorted(together)
    return (
        np.array(pairs, np.int64).reshape(-1, 2).T,
        np.array([together[pair][0] for pair in pairs], np.int64),
        np.array([together[pair][1] for pair in pairs], np.float32),
        activity,
    )


def collect_words(
    groups: Sequence[Numbers], messages: Sequence[Sequence[int] | Numbers], file_count: int
) -> FileWords:
    """Return the words of the messages of those commits that changed each file.

    Args:
        groups: Files of each commit, as in ``count_changes``.
        messages: Term ids of each commit's message.
        file_count: F.
    """
    owners: list[Numbers] = []
    terms: list[Numbers] = []
    for group, message in zip(groups, messages, strict=True):
        if 1 <= len(group) <= MOST_FILES_OF_A_CHANGE:
            owners.append(np.repeat(group, len(message)))
            terms.append(np.tile(np.asarray(message, np.int64), len(group)))
    nothing = np.zeros(0, np.int64)
    keys = np.concatenate([nothing, *owners]) << 32 | np.concatenate([nothing, *terms])
    unique, counts = np.unique(keys, return_counts=True)
    offsets = np.searchsorted(unique >> 32, np.arange(file_count + 1))
    return FileWords(offsets.astype(np.int64), unique & 0xFFFF_FFFF, counts.astype(np.int64))
