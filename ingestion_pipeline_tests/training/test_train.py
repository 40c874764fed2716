"""Training on small histories: it begins as the untrained encoder, learns, and can be cut off."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.embed.encoder import Encoder
from ingestion_pipeline.embed.weights import EncoderWeights, make_untrained_weights
from ingestion_pipeline.training.chunks import cut_repository, make_chunk
from ingestion_pipeline.training.corpus import make_corpus
from ingestion_pipeline.training.dataset import Changes, Lists, Repository
from ingestion_pipeline.training.evaluate import evaluate_repositories
from ingestion_pipeline.training.model import Model, normalize
from ingestion_pipeline.training.results import TrainingOptions
from ingestion_pipeline.training.tasks import Task, make_queries
from ingestion_pipeline.training.train import train
from ingestion_pipeline.training.ways import BM25, HISTORY, NEIGHBOURS, hide_itself, rank_related

OPTIONS = TrainingOptions(steps=6, evaluate_every=3, learning_rate=3e-3)


def encode(weights: EncoderWeights, repository: Repository) -> np.ndarray:
    encoder = Encoder(weights, "cpu")
    h = encoder.embed_words(repository.types, repository.terms)
    passed = encoder.pass_messages(repository.edges, repository.node_count, h)
    return encoder.finish(h if passed is None else passed)


def are_equal(one: EncoderWeights, other: EncoderWeights) -> bool:
    return np.array_equal(one.table.values, other.table.values) and all(
        np.array_equal(value, other.parameters[name]) for name, value in one.parameters.items()
    )


def test_a_model_begins_as_the_untrained_encoder(offices: Repository) -> None:
    import torch

    started = Model(0, torch.device("cpu")).export("started-1", {})
    same = encode(started, offices) * encode(make_untrained_weights(), offices)
    np.testing.assert_allclose(same.sum(axis=1), 1, atol=1e-5)


def test_what_was_learnt_is_what_is_run(offices: Repository, others: Repository) -> None:
    import torch

    cpu = torch.device("cpu")
    model = Model(0, cpu)
    random = np.random.default_rng(0)
    with torch.no_grad():
        for value in [*model.parameters.values(), model.gains]:
            value += torch.from_numpy(
                np.asarray(random.standard_normal(value.shape) * 0.03, np.float32)
            )
    model.is_training = False
    chunk = make_chunk(others, np.arange(others.node_count), cpu)
    with torch.no_grad():
        learnt = normalize(model.encode_nodes(chunk, with_doc=True)).numpy()
        texts = model.encode_texts([others.docstrings[0]]).numpy()
    weights = model.export("learnt-1", {})
    np.testing.assert_allclose(encode(weights, others), learnt, atol=1e-4)
    ids, counts = np.unique(others.docstrings[0], return_counts=True)
    assert counts.max() == 1
    from ingestion_pipeline.core.graph import TermMatrix

    matrix = TermMatrix(np.array([0, len(ids)]), ids, counts.astype(np.float32))
    np.testing.assert_allclose(Encoder(weights, "cpu").encode_terms(matrix), texts, atol=1e-4)


def test_training_learns_what_it_is_shown(offices: Repository, others: Repository) -> None:
    options = TrainingOptions(steps=40, evaluate_every=20, learning_rate=3e-3)
    trained = train([offices], [others], options, version="mine-1", device="cpu")
    assert trained.weights.version == "mine-1"
    assert trained.weights.facts["repositories"] == ["offices"]
    assert [step for step, _ in trained.curves.quality] == [20, 40]
    assert set(trained.curves.losses) == {"docstring", "name", "co-change", "message"}
    for (_, first), (_, last) in trained.curves.losses.values():
        assert last < first


def test_the_seed_decides_the_weights(offices: Repository, others: Repository) -> None:
    one, same, other = (
        train([offices], [others], replace(OPTIONS, seed=seed), device="cpu").weights
        for seed in (1, 1, 2)
    )
    assert are_equal(one, same)
    assert one.version == same.version
    assert one.version.startswith("trained-")
    assert not are_equal(one, other)
    assert one.version != other.version


class CutOffError(Exception):
    pass


def test_a_training_that_was_cut_off_goes_on(
    offices: Repository, others: Repository, tmp_path: Path
) -> None:
    whole = train([offices], [others], OPTIONS, device="cpu")
    checkpoint = tmp_path / "training.ckpt"
    steps: list[int] = []

    def stop_at_five(step: int, _losses: dict[str, float]) -> None:
        steps.append(step)
        if step == 5:
            raise CutOffError

    with pytest.raises(CutOffError):
        train([offices], [others], OPTIONS, device="cpu", checkpoint=checkpoint,
              report=stop_at_five)  # fmt: skip
    resumed = train(
        *([offices], [others], OPTIONS),
        device="cpu",
        checkpoint=checkpoint,
        report=lambda step, _: steps.append(step),
    )
    assert steps == [1, 2, 3, 4, 5, 4, 5, 6]
    assert are_equal(resumed.weights, whole.weights)
    assert resumed.curves == whole.curves


def test_a_checkpoint_of_another_training_is_refused(
    offices: Repository, others: Repository, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "training.ckpt"
    train([offices], [others], OPTIONS, device="cpu", checkpoint=checkpoint)
    with pytest.raises(ConfigurationError, match="Move it away to begin anew"):
        train([others], [offices], OPTIONS, device="cpu", checkpoint=checkpoint)


def test_a_damaged_checkpoint_is_refused(
    offices: Repository, others: Repository, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "training.ckpt"
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        train([offices], [others], OPTIONS, device="cpu", checkpoint=checkpoint)


def test_both_sides_are_needed_and_apart(offices: Repository, others: Repository) -> None:
    for learnt, held_out in (([], [others]), ([offices], [])):
        with pytest.raises(ConfigurationError, match="at least one of each"):
            train(learnt, held_out, OPTIONS)
    with pytest.raises(ConfigurationError, match="offices cannot be learnt from and held out"):
        train([offices], [offices], OPTIONS)


def test_a_repository_that_teaches_nothing_is_refused(
    offices: Repository, others: Repository
) -> None:
    nothing = Changes(Lists.of([]), Lists.of([]))
    silent = replace(
        offices,
        documented=np.zeros(0, np.int64),
        docstrings=Lists.of([]),
        later=nothing,
        earlier=nothing,
    )
    with pytest.raises(ConfigurationError, match="neither docstrings nor commits"):
        train([silent], [others], OPTIONS)


def test_every_node_is_in_a_chunk_of_each_cut(offices: Repository) -> None:
    import torch

    random = np.random.default_rng(0)
    [whole] = cut_repository(offices, offices.node_count, random, torch.device("cpu"))
    assert len(whole.types) == offices.node_count
    assert len(whole.messages) == len(offices.later) + len(offices.earlier)
    parts = cut_repository(offices, offices.node_count // 2, random, torch.device("cpu"))
    assert len(parts) == 4
    for pair in (parts[:2], parts[2:]):
        symbols = sum(len(part.symbols) for part in pair)
        assert symbols == int((offices.types >= 2).sum())
        assert sum(len(part.documented) for part in pair) == len(offices.documented)
    for part in parts:
        assert all(int(edges.max()) < len(part.types) for edges in part.edges.values())


def test_neighbours_and_history_are_counted_both_ways(offices: Repository) -> None:
    queries = make_queries(offices, Task.CO_CHANGE)
    ways = rank_related(offices, make_corpus(offices, queries.candidates), queries, {})
    assert (ways[HISTORY][np.arange(len(queries)), queries.asked] == 0).all()
    hide_itself(queries, ways)
    for row, relevant in enumerate(queries.relevant):
        # A topic and its test import each other and change together.
        assert ways[NEIGHBOURS][row].argmax() in relevant
        assert ways[HISTORY][row].argmax() in relevant


def test_an_evaluation_ranks_by_every_way(offices: Repository) -> None:
    encoders = {"u": Encoder(make_untrained_weights(), "cpu")}
    evaluation = evaluate_repositories([offices], encoders)
    assert evaluation.find_mrr(Task.DOCSTRING, BM25) > 0.4
    assert evaluation.find_mrr(Task.CO_CHANGE, "history") == pytest.approx(1, abs=0.3)
    assert set(evaluation.list_ways(Task.MESSAGE)) == {"TF-IDF", BM25, "u dense", "u fused"}
    ratio, low, high = evaluation.find_ratio(Task.MESSAGE, "u fused")
    assert low <= ratio <= high


def test_in_one_collection_others_get_in_the_way(offices: Repository) -> None:
    encoders = {"u": Encoder(make_untrained_weights(), "cpu")}
    evaluation = evaluate_repositories([offices, offices], encoders, pool=True)
    for task in (Task.DOCSTRING, Task.MESSAGE):
        assert len(evaluation.pooled[task]) == 2
        # Each has a twin in the other repository, and of two equal ones the middle place counts.
        for way in ("TF-IDF", BM25, "u dense", "u fused"):
            assert 0.3 < evaluation.find_kept_share(task, way) < 0.9
    alone = evaluate_repositories([offices], encoders, pool=True)
    assert alone.pooled == {}


def test_tasks_without_queries_are_left_out(offices: Repository) -> None:
    nothing = Changes(Lists.of([]), Lists.of([]))
    silent = replace(offices, later=nothing)
    evaluation = evaluate_repositories([silent], {"u": Encoder(make_untrained_weights(), "cpu")})
    assert evaluation.list_results(Task.MESSAGE, BM25) == []
    assert evaluation.find_quality("u") > 0
