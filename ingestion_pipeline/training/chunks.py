"""Repositories cut into parts of a size that one training step takes, as tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import NodeType, Relation, TermField
from ingestion_pipeline.embed.hash_table import get_rows
from ingestion_pipeline.graph.ranges import expand_ranges
from ingestion_pipeline.training.dataset import Changes, Numbers, Repository

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# A part of fewer files has nothing to tell apart.
_FEWEST_FILES = 5
_LEAST_NAME_TERMS = 2


@dataclass(frozen=True, slots=True)
class Words:
    """The terms of B nodes in one field.

    Args:
        rows: (T,) int64, rows of the table.
        frequencies: (T,) float32, 1 + ln tf.
        offsets: (B,) int64, where each node's begin.
        owners: (T,) int64, node of each.
        is_of_name: (T,) bool, terms of the node's own name; they are masked where it is asked for.
        is_empty: (B,) bool, nodes without a term.
    """

    rows: "Tensor"
    frequencies: "Tensor"
    offsets: "Tensor"
    owners: "Tensor"
    is_of_name: "Tensor"
    is_empty: "Tensor"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a repository: some files, all that is in them, and the directories above.

    Args:
        types: (B,) int64.
        words: Per field.
        edges: Kind of edge → (2, E) int64: receivers, senders.
        symbols: (S,) nodes of classes and functions.
        code: (C,) nodes of files with a grammar.
        documented: Nodes and the terms of their docstrings.
        named: Nodes with a name of two words or more.
        names: Their terms.
        messages: Terms of a commit message, and places in ``code`` of the files it changed.
        together: Places in ``code`` of two or more files that one commit changed.
    """

    types: "Tensor"
    words: dict[TermField, Words]
    edges: "dict[str, Tensor]"
    symbols: Numbers
    code: Numbers
    documented: Sequence[tuple[int, Numbers]]
    named: Numbers
    names: Sequence[Numbers]
    messages: Sequence[tuple[Numbers, Numbers]]
    together: Sequence[Numbers]


def cut_repository(
    repository: Repository,
    chunk_nodes: int,
    random: np.random.Generator,
    device: "torch.device",
) -> list[Chunk]:
    """Cut a repository twice, by neighbouring paths and at random; a small one stays whole.

    Args:
        repository: Any size.
        chunk_nodes: Nodes of a part, about.
        random: Chooses the files of the second cut.
        device: Where the tensors go.
    """
    if repository.node_count <= 1.3 * chunk_nodes:
        return [make_chunk(repository, np.arange(repository.node_count), device)]
    sizes = np.bincount(
        repository.files[repository.files >= 0], minlength=repository.file_count
    ).astype(np.int64)
    parts = int(np.ceil(sizes.sum() / chunk_nodes))
    chunks: list[Chunk] = []
    for order in (np.arange(repository.file_count), random.permutation(repository.file_count)):
        part = np.cumsum(sizes[order]) * parts // (sizes.sum() + 1)
        for number in range(parts):
            files = order[part == number]
            if len(files) >= _FEWEST_FILES:
                chunks.append(make_chunk(repository, _list_nodes(repository, files), device))
    return chunks


def _list_nodes(repository: Repository, files: Numbers) -> Numbers:
    chosen = np.zeros(repository.file_count, bool)
    chosen[files] = True
    kept = np.zeros(repository.node_count, bool)
    owned = repository.files >= 0
    kept[owned] = chosen[repository.files[owned]]
    containers, inside = repository.edges[Relation.CONTAINS]
    above = dict(zip(inside.tolist(), containers.tolist(), strict=True))
    for file in files.tolist():
        folder = above.get(file)
        while folder is not None and not kept[folder]:
            kept[folder] = True
            folder = above.get(folder)
    return np.flatnonzero(kept)


def make_chunk(repository: Repository, nodes: Numbers, device: "torch.device") -> Chunk:
    """Return some of the nodes of a repository, sorted, as a chunk."""
    import torch

    places = np.full(repository.node_count, -1)
    places[nodes] = np.arange(len(nodes))
    types = repository.types[nodes]
    code = np.flatnonzero(nodes < repository.file_count)
    code = code[repository.is_code[nodes[code]]]
    names = _take_terms(repository, TermField.NAME, nodes)
    named = np.flatnonzero((names.lengths >= _LEAST_NAME_TERMS) & (types != NodeType.DIRECTORY))
    in_code = np.full(repository.node_count, -1)
    in_code[nodes[code]] = np.arange(len(code))
    changes = list(_list_changes((repository.later, repository.earlier), in_code))
    return Chunk(
        types=torch.from_numpy(types.astype(np.int64)).to(device),
        words={
            field: _make_words(_take_terms(repository, field, nodes), names, device)
            for field in TermField
        },
        edges=_make_edges(repository, places, device),
        symbols=np.flatnonzero((types == NodeType.CLASS) | (types == NodeType.FUNCTION)),
        code=code,
        documented=[
            (int(places[node]), repository.docstrings[number])
            for number, node in enumerate(repository.documented)
            if places[node] >= 0
        ],
        named=named,
        names=[names.ids[names.starts[n] : names.starts[n] + names.lengths[n]] for n in named],
        messages=[(message, files) for message, files in changes if len(message)],
        together=[files for _, files in changes if len(files) >= 2],
    )


@dataclass(frozen=True, slots=True)
class _Terms:
    ids: Numbers
    counts: npt.NDArray[np.float32]
    starts: Numbers
    lengths: Numbers

    @property
    def owners(self) -> Numbers:
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def _take_terms(repository: Repository, field: TermField, nodes: Numbers) -> _Terms:
    matrix = repository.terms[field]
    lengths = np.diff(matrix.offsets)[nodes]
    starts = np.cumsum(lengths) - lengths
    taken = expand_ranges(matrix.offsets[nodes], lengths)
    return _Terms(matrix.term_ids[taken], matrix.counts[taken], starts, lengths)


def _make_words(terms: _Terms, names: _Terms, device: "torch.device") -> Words:
    import torch

    owners = terms.owners
    own_names = (names.owners << 32) | names.ids
    is_of_name = np.isin((owners << 32) | terms.ids, own_names)
    return Words(
        torch.from_numpy(get_rows(terms.ids)).to(device),
        torch.from_numpy((1 + np.log(terms.counts)).astype(np.float32)).to(device),
        torch.from_numpy(terms.starts).to(device),
        torch.from_numpy(owners).to(device),
        torch.from_numpy(is_of_name).to(device),
        torch.from_numpy(terms.lengths == 0).to(device),
    )


def _make_edges(
    repository: Repository, places: Numbers, device: "torch.device"
) -> "dict[str, Tensor]":
    import torch

    made: dict[str, Tensor] = {}
    for relation in Relation:
        edges = places[repository.edges[relation]]
        edges = np.ascontiguousarray(edges[:, (edges >= 0).all(axis=0)])
        if edges.shape[1]:
            forward = torch.from_numpy(edges).to(device)
            made[f"{relation}_forward"], made[f"{relation}_backward"] = forward, forward.flip(0)
    return made


def _list_changes(
    histories: Sequence[Changes], in_code: Numbers
) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield the message of every commit that changed files of the chunk, and which."""
    for changes in histories:
        for number in range(len(changes)):
            files = in_code[changes.files[number]]
            files = files[files >= 0]
            if len(files):
                yield changes.messages[number], files
