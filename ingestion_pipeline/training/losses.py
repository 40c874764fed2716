"""What is learnt: four ways in which a history says which vectors belong together.

All are InfoNCE (https://arxiv.org/abs/1807.03748): of the candidates in one chunk, the right ones
should be the nearest.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ingestion_pipeline.training.chunks import Chunk
from ingestion_pipeline.training.model import Model, normalize

if TYPE_CHECKING:
    from torch import Tensor

_Item = TypeVar("_Item")
_MOST_QUERIES = 256
_MOST_NEGATIVES = 768
_NAME_WEIGHT = 0.5
_BACKWARD_WEIGHT = 0.5
# How often a file's own comments are hidden while commit messages look for it.
_HIDDEN_DOC_SHARE = 0.25


def make_word_losses(
    model: Model, chunk: Chunk, random: np.random.Generator
) -> "dict[str, Tensor]":
    """Return the losses of docstring → symbol and of name → symbol.

    Documentation is hidden from all nodes, and their own names from those that names look for.
    """
    import torch

    chosen = random.permutation(len(chunk.named))[:_MOST_QUERIES]
    nameless = torch.zeros(len(chunk.types), dtype=torch.bool, device=model.device)
    nameless[torch.from_numpy(chunk.named[chosen]).to(model.device)] = True
    vectors = normalize(model.encode_nodes(chunk, with_doc=False, nameless=nameless))
    losses: dict[str, Tensor] = {}
    if chunk.documented:
        losses["docstring"] = _lose_docstrings(model, chunk, vectors, random)
    if len(chosen):
        losses["name"] = _NAME_WEIGHT * _lose_names(model, chunk, vectors, chosen)
    return losses


def _lose_docstrings(
    model: Model, chunk: Chunk, vectors: "Tensor", random: np.random.Generator
) -> "Tensor":
    import torch
    from torch.nn.functional import cross_entropy

    pairs = _sample(chunk.documented, random)
    nodes = np.array([node for node, _ in pairs])
    others = random.permutation(chunk.symbols)[:_MOST_NEGATIVES]
    others = others[~np.isin(others, nodes)]
    candidates = torch.from_numpy(np.concatenate([nodes, others])).to(model.device)
    texts = model.encode_texts([text for _, text in pairs])
    scores = model.get_scale("text") * texts @ vectors[candidates].T
    right = torch.arange(len(nodes), device=model.device)
    back = cross_entropy(scores[:, : len(nodes)].T, right)
    return cross_entropy(scores, right) + _BACKWARD_WEIGHT * back


def _lose_names(model: Model, chunk: Chunk, vectors: "Tensor", chosen: np.ndarray) -> "Tensor":
    """Nodes of the same name are all right for it."""
    import torch

    names = [chunk.names[i] for i in chosen]
    nodes = torch.from_numpy(chunk.named[chosen]).to(model.device)
    numbers: dict[tuple[int, ...], int] = {}
    labels = torch.tensor(
        [numbers.setdefault(tuple(name.tolist()), len(numbers)) for name in names],
        device=model.device,
    )
    scores = model.get_scale("text") * model.encode_texts(names) @ vectors[nodes].T
    return _lose_several(scores, (labels[:, None] == labels[None]).float())


def make_change_losses(
    model: Model, chunk: Chunk, random: np.random.Generator
) -> "dict[str, Tensor]":
    """Return the losses of co-change and of commit message → files."""
    import torch

    with_doc = bool(random.random() >= _HIDDEN_DOC_SHARE)
    files = model.encode_nodes(chunk, with_doc=with_doc)[
        torch.from_numpy(chunk.code).to(model.device)
    ]
    losses: dict[str, Tensor] = {}
    if chunk.together:
        losses["co-change"] = _lose_co_changes(model, chunk, files, random)
    if chunk.messages:
        losses["message"] = _lose_messages(model, chunk, files, random)
    return losses


def _lose_co_changes(
    model: Model, chunk: Chunk, files: "Tensor", random: np.random.Generator
) -> "Tensor":
    import torch

    vectors = model.relate(files)
    groups = _sample(chunk.together, random)
    asked = np.array([group[random.integers(len(group))] for group in groups])
    right = torch.zeros(len(groups), len(files), device=model.device)
    for row, (group, file) in enumerate(zip(groups, asked, strict=True)):
        right[row, torch.from_numpy(group[group != file]).to(model.device)] = 1
    queries = torch.from_numpy(asked).to(model.device)
    scores = model.get_scale("related") * vectors[queries] @ vectors.T
    itself = torch.zeros_like(scores)
    itself[torch.arange(len(asked), device=model.device), queries] = -1e4
    return _lose_several(scores + itself, right)


def _lose_messages(
    model: Model, chunk: Chunk, files: "Tensor", random: np.random.Generator
) -> "Tensor":
    import torch

    pairs = _sample(chunk.messages, random)
    right = torch.zeros(len(pairs), len(files), device=model.device)
    for row, (_, changed) in enumerate(pairs):
        right[row, torch.from_numpy(changed).to(model.device)] = 1
    texts = model.encode_texts([text for text, _ in pairs])
    return _lose_several(model.get_scale("text") * texts @ normalize(files).T, right)


def _lose_several(scores: "Tensor", right: "Tensor") -> "Tensor":
    """Return the mean cross entropy where several candidates are right, each as much."""
    import torch

    probabilities = torch.nn.functional.log_softmax(scores, dim=1)
    return -((probabilities * right).sum(dim=1) / right.sum(dim=1)).mean()


def _sample(items: Sequence[_Item], random: np.random.Generator) -> list[_Item]:
    return [items[i] for i in random.permutation(len(items))[:_MOST_QUERIES]]
