"""One repository as training and evaluation read it: a graph, and what it teaches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import Relation, TermField, TermMatrix

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists of whole numbers, one after another.

    Args:
        offsets: (L + 1,) int64; list i is ``values[offsets[i]:offsets[i + 1]]``.
        values: (V,) int64.
    """

    offsets: Numbers
    values: Numbers

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> "Lists":
        """Return the lists, joined."""
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(one) for one in lists], out=offsets[1:])
        flat = [value for one in lists for value in one]
        return cls(offsets, np.array(flat, np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Numbers:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True, slots=True)
class Changes:
    """Commits that changed files which the snapshot has.

    Args:
        messages: Term ids of each message, duplicates kept.
        files: Nodes of the files of each.
    """

    messages: Lists
    files: Lists

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True, slots=True)
class Repository:
    """A snapshot of a repository, and the commits around it.

    Args:
        name: For tables.
        commit: Of the snapshot.
        types: (N,) int8, ``NodeType``; the order of nodes is that of ``CodeGraph``.
        files: (N,) int64, node of each node's file, -1 for directories.
        is_code: (F,) bool, files with a grammar.
        edges: Per relation (2, E) int64.
        terms: Per field N rows.
        documented: (Q,) int64, functions and classes with a docstring of their own.
        docstrings: Term ids of each one's first paragraph.
        later: Commits after the snapshot.
        earlier: Commits before it, newest first.
        recent: How many of them a sync would know, being among the newest commits.
    """

    name: str
    commit: str
    types: npt.NDArray[np.int8]
    files: Numbers
    is_code: npt.NDArray[np.bool_]
    edges: dict[Relation, Numbers]
    terms: dict[TermField, TermMatrix]
    documented: Numbers
    docstrings: Lists
    later: Changes
    earlier: Changes
    recent: int

    @property
    def is_instructive(self) -> bool:
        """Whether there is anything to learn: docstrings, or commits that change code."""
        return bool(len(self.documented) or len(self.later) or len(self.earlier))

    @property
    def node_count(self) -> int:
        """N."""
        return len(self.types)

    @property
    def file_count(self) -> int:
        """F; the files are the first nodes."""
        return len(self.is_code)
