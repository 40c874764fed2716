"""The three tasks that an encoder is measured by, out of a repository's own history."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.training.dataset import Numbers, Repository

# Enough that a repository's mean is sure to about 0.015, and no large repository takes hours.
MOST_QUERIES = 600


class Task(StrEnum):
    """What is asked for."""

    DOCSTRING = "docstring → function"
    CO_CHANGE = "file → files changed with it later"
    MESSAGE = "commit message → files it changed"


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries of one task in one repository.

    Args:
        candidates: (C,) nodes that are ranked.
        words: Term ids of each query; for co-change none.
        asked: (Q,) place among the candidates of the file that is asked about, -1 for words.
        relevant: Places among the candidates that each query should find.
    """

    candidates: Numbers
    words: Sequence[npt.NDArray[np.int64]]
    asked: Numbers
    relevant: Sequence[Numbers]

    def __len__(self) -> int:
        return len(self.relevant)


def make_queries(repository: Repository, task: Task, seed: int = 0) -> Queries:
    """Return the queries of a task; at most ``MOST_QUERIES``, drawn by ``seed``."""
    random = np.random.default_rng(seed)
    if task == Task.DOCSTRING:
        return _ask_docstrings(repository, random)
    if task == Task.CO_CHANGE:
        return _ask_co_changes(repository, random)
    return _ask_messages(repository, random)


def _ask_docstrings(repository: Repository, random: np.random.Generator) -> Queries:
    functions = np.flatnonzero(repository.types == NodeType.FUNCTION)
    chosen = np.flatnonzero(repository.types[repository.documented] == NodeType.FUNCTION)
    chosen = _draw(chosen, random)
    places = np.searchsorted(functions, repository.documented[chosen])
    return Queries(
        functions,
        [repository.docstrings[i] for i in chosen],
        np.full(len(chosen), -1),
        list(places[:, None]),
    )


def _ask_co_changes(repository: Repository, random: np.random.Generator) -> Queries:
    candidates = np.flatnonzero(repository.is_code)
    pairs = [
        (file, files[files != file])
        for files in (repository.later.files[i] for i in range(len(repository.later)))
        if len(files) >= 2
        for file in files
    ]
    chosen = [pairs[i] for i in _draw(np.arange(len(pairs)), random)]
    return Queries(
        candidates,
        [np.zeros(0, np.int64)] * len(chosen),
        np.searchsorted(candidates, [file for file, _ in chosen]),
        [np.searchsorted(candidates, others) for _, others in chosen],
    )


def _ask_messages(repository: Repository, random: np.random.Generator) -> Queries:
    candidates = np.flatnonzero(repository.is_code)
    later = repository.later
    chosen = _draw(np.flatnonzero(np.diff(later.messages.offsets)), random)
    return Queries(
        candidates,
        [later.messages[i] for i in chosen],
        np.full(len(chosen), -1),
        [np.searchsorted(candidates, later.files[i]) for i in chosen],
    )


def _draw(places: npt.NDArray[np.int64], random: np.random.Generator) -> npt.NDArray[np.int64]:
    if len(places) <= MOST_QUERIES:
        return places
    return np.sort(random.permutation(places)[:MOST_QUERIES])
