"""Weights as a file: what is saved comes back, and nothing else is taken for it."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestion_pipeline.core.errors import EncoderWeightsError
from ingestion_pipeline.embed import Encoder, encode_graph
from ingestion_pipeline.embed.hash_table import make_table
from ingestion_pipeline.embed.version import TRAINED
from ingestion_pipeline.embed.weights import (
    EncoderWeights,
    digest_weights,
    load_shipped_weights,
    load_weights,
    make_untrained_weights,
    quantize_table,
    save_weights,
)
from ingestion_pipeline_tests.embed.graphs import SHOP
from ingestion_pipeline_tests.embed.trained import make_trained_weights

WEIGHTS = make_trained_weights()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("weights") / "test-1.npz"
    save_weights(path, WEIGHTS)
    assert [file.name for file in path.parent.iterdir()] == ["test-1.npz"]
    return path.read_bytes()


def load(content: bytes) -> EncoderWeights:
    return load_weights(io.BytesIO(content), "my.npz", "Run: make weights")


def test_what_is_saved_is_loaded(saved: bytes) -> None:
    loaded = load(saved)
    assert loaded.version == "test-1"
    assert loaded.parameters.keys() == WEIGHTS.parameters.keys()
    same = encode_graph(Encoder(loaded, "cpu"), SHOP) * encode_graph(Encoder(WEIGHTS, "cpu"), SHOP)
    assert (same.sum(axis=1) > 0.9999).all()


def test_saving_what_was_loaded_changes_nothing(saved: bytes, tmp_path: Path) -> None:
    save_weights(tmp_path / "again.npz", load(saved))
    again = load((tmp_path / "again.npz").read_bytes())
    np.testing.assert_array_equal(
        encode_graph(Encoder(again, "cpu"), SHOP), encode_graph(Encoder(load(saved), "cpu"), SHOP)
    )


def test_a_table_keeps_what_moved_and_only_that() -> None:
    table = make_table()
    table[5] *= np.linspace(0.5, 2, 256, dtype=np.float32)
    quantized = quantize_table(table)
    assert quantized.numbers.tolist() == [5]
    rows = quantized.make_rows(np.array([4, 5, 65536]))
    np.testing.assert_array_equal(rows[[0, 2]], table[[4, 65536]])
    np.testing.assert_allclose(rows[1], table[5], atol=np.abs(table[5]).max() / 250)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(saved: bytes, share: float) -> None:
    with pytest.raises(EncoderWeightsError, match=r"my\.npz is no whole file.*Run: make weights"):
        load(saved[: int(len(saved) * share)])


def rewrite(saved: bytes, name: str, content: bytes) -> bytes:
    """Return the archive with one member replaced; its own checksums fit."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return out.getvalue()


def to_npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_weights_that_somebody_changed_are_refused(saved: bytes) -> None:
    other = rewrite(saved, "idf.npy", to_npy(np.ones(65536, np.float16)))
    with pytest.raises(EncoderWeightsError, match="its checksum does not fit"):
        load(other)


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(EncoderWeightsError, match="no whole file of encoder weights"):
        load((tmp_path / "other.npz").read_bytes())


def test_another_network_is_refused(tmp_path: Path) -> None:
    odd = {**WEIGHTS.parameters, "related": np.zeros((3, 256), np.float32)}
    save_weights(tmp_path / "odd.npz", EncoderWeights("odd", odd, WEIGHTS.table, WEIGHTS.idf))
    with pytest.raises(EncoderWeightsError, match="another network: related do not fit"):
        load((tmp_path / "odd.npz").read_bytes())


def test_a_version_that_does_not_ship_is_an_error() -> None:
    with pytest.raises(EncoderWeightsError, match=r"codegraph-0\.npz is missing"):
        load_shipped_weights("codegraph-0")


def test_what_ships_is_whole() -> None:
    weights = load_shipped_weights(TRAINED)
    assert weights.version == TRAINED
    assert Encoder(weights, "cpu").passes_messages
    assert load_shipped_weights("hashbag-1").parameters == make_untrained_weights().parameters


def test_the_digest_tells_everything_apart_that_decides_vectors(saved: bytes) -> None:
    table, name = WEIGHTS.table, next(iter(WEIGHTS.parameters))
    others = [
        replace(WEIGHTS, idf=WEIGHTS.idf * np.float32(1.1)),
        replace(WEIGHTS, table=replace(table, numbers=table.numbers + 1)),
        replace(WEIGHTS, table=replace(table, values=table.values + np.int8(1))),
        replace(WEIGHTS, table=replace(table, scales=table.scales * np.float32(2))),
        replace(WEIGHTS, parameters={**WEIGHTS.parameters, name: WEIGHTS.parameters[name] + 1}),
    ]
    digests = {digest_weights(weights) for weights in (WEIGHTS, *others)}
    assert len(digests) == 1 + len(others)
    assert digest_weights(load(saved)) == digest_weights(WEIGHTS)
    assert digest_weights(replace(WEIGHTS, facts={"step": 1})) == digest_weights(WEIGHTS)
