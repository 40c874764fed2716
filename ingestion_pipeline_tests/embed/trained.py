"""Encoders with weights that do something, without a training."""

from collections.abc import Iterable

import numpy as np

from ingestion_pipeline.embed import Encoder
from ingestion_pipeline.embed.hash_table import TABLE_ROWS, make_table
from ingestion_pipeline.embed.network import FIELD_WEIGHTS, LAYERS, list_shapes
from ingestion_pipeline.embed.weights import (
    EncoderWeights,
    Table,
    make_untrained_weights,
    quantize_table,
)


def make_trained_weights(version: str = "test-1") -> EncoderWeights:
    """Return weights in which every part has an effect, some rows of the table among them."""
    rng = np.random.default_rng(7)
    parameters = _draw(list_shapes(), rng, 0.05)
    for name in parameters:
        if "projection" in name:
            parameters[name] += np.eye(256, dtype=np.float32)
        elif name.endswith("norm.weight"):
            parameters[name] += 1
    for field, weight in FIELD_WEIGHTS.items():
        parameters[f"field_weight.{field}"] += np.float32(weight)
    start = make_untrained_weights()
    return EncoderWeights(version, parameters, move_table(rng), start.idf * np.float32(1.1))


def move_table(rng: np.random.Generator) -> Table:
    table = make_table()
    moved = rng.choice(TABLE_ROWS, 20_000, replace=False)
    table[moved] += rng.standard_normal((len(moved), 256)).astype(np.float32) * 0.02
    return quantize_table(table)


def make_layered_encoder(seed: int = 7, strength: float = 0.003) -> Encoder:
    """Return an encoder on the CPU that differs from the untrained one in its layers alone.

    Word vectors are those of the untrained encoder; then a node hears its neighbours, faintly.

    Args:
        seed: Of the layers' weights.
        strength: Standard deviation of the output weights.
    """
    rng = np.random.default_rng(seed)
    of_layers = {
        name: shape for name, shape in list_shapes().items() if name.split(".")[0] in LAYERS
    }
    parameters = _draw(of_layers, rng, 0.06)
    for layer in LAYERS:
        parameters[f"{layer}.norm.weight"][:] = 1
        parameters[f"{layer}.out.weight"] *= np.float32(strength / 0.06)
        parameters[f"{layer}.out.bias"][:] = 0
    start = make_untrained_weights()
    return Encoder(EncoderWeights("layered-1", parameters, start.table, start.idf), "cpu")


def _draw(
    shapes: dict[str, tuple[int, ...]], rng: np.random.Generator, deviation: float
) -> dict[str, np.ndarray]:
    names: Iterable[str] = sorted(shapes)
    return {
        name: np.asarray(rng.standard_normal(shapes[name]) * deviation, np.float32)
        for name in names
    }
