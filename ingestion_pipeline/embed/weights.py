"""Weights: what a training yields, in memory and as one file."""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.errors import EncoderWeightsError
from ingestion_pipeline.embed.hash_table import TABLE_ROWS, make_rows
from ingestion_pipeline.embed.idf import load_idf
from ingestion_pipeline.embed.network import list_shapes
from ingestion_pipeline.embed.version import ENCODER_DIM, RELATED_DIM, UNTRAINED

_FORMAT = "ingestion_pipeline encoder 1"
_HEADER = "header"
Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of the words' table that a training moved; the others are as they began.

    Args:
        numbers: (K,) int64, sorted, which rows.
        values: (K, D) int8.
        scales: (K,) float32; row k is ``values[k] * scales[k]``.
    """

    numbers: npt.NDArray[np.int64]
    values: npt.NDArray[np.int8]
    scales: Float

    def make_rows(self, rows: npt.NDArray[np.int64]) -> Float:
        """Return (R, D) float32, the table's rows of these numbers."""
        if not len(self.numbers):
            return make_rows(rows)
        made = np.empty((len(rows), ENCODER_DIM), np.float32)
        places = np.minimum(np.searchsorted(self.numbers, rows), len(self.numbers) - 1)
        moved = self.numbers[places] == rows
        places = places[moved]
        made[moved] = self.values[places] * self.scales[places, None]
        made[~moved] = make_rows(rows[~moved])
        return made


def make_untrained_table() -> Table:
    """Return the table of random signs alone."""
    return Table(
        np.zeros(0, np.int64), np.zeros((0, ENCODER_DIM), np.int8), np.zeros(0, np.float32)
    )


def quantize_table(table: Float) -> Table:
    """Return the rows of a (TABLE_ROWS + 1, D) table that differ from where they began, as int8.

    An entry is off by at most 1/254 of the largest of its row.
    """
    start = make_rows(np.arange(TABLE_ROWS + 1))
    numbers = np.flatnonzero((table != start).any(axis=1))
    moved = table[numbers]
    scales = np.abs(moved).max(axis=1, initial=0).astype(np.float32) / 127
    scales[scales == 0] = 1
    values = np.rint(moved / scales[:, None]).astype(np.int8)
    return Table(numbers, values, scales)


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """Everything that decides what vectors an encoder makes.

    Args:
        version: What its vectors are stamped with.
        parameters: As ``network`` names them, float32.
        table: The words' directions.
        idf: (TABLE_ROWS,) float32.
        facts: What it was trained on and how, for people.
    """

    version: str
    parameters: Mapping[str, Float]
    table: Table
    idf: Float
    facts: Mapping[str, object] = field(default_factory=dict[str, object])


def make_untrained_weights() -> EncoderWeights:
    """Return the weights that every training starts from and that need no file."""
    return EncoderWeights(UNTRAINED, {}, make_untrained_table(), load_idf())


def save_weights(path: Path, weights: EncoderWeights) -> None:
    """Write one file, all at once: half precision, the table as int8.

    What is read back is what was saved up to the last bits of half precision. When it cannot be
    written, what was there before stays.
    """
    arrays = _make_arrays(weights)
    header = {
        "format": _FORMAT,
        "version": weights.version,
        "dim": ENCODER_DIM,
        "related_dim": RELATED_DIM,
        "checksum": _sum_up(arrays),
        "facts": dict(weights.facts),
    }
    arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    building = path.with_name(f"{path.name}.building")
    try:
        with building.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def digest_weights(weights: EncoderWeights) -> str:
    """Return the SHA-256 of all that decides vectors, as ``save_weights`` rounds it."""
    return _sum_up(_make_arrays(weights))


def _make_arrays(weights: EncoderWeights) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        f"parameter.{name}": np.asarray(value, np.float16)
        for name, value in weights.parameters.items()
    }
    arrays["table.numbers"] = weights.table.numbers.astype(np.int32)
    arrays["table.values"] = weights.table.values
    arrays["table.scales"] = weights.table.scales.astype(np.float32)
    arrays["idf"] = weights.idf.astype(np.float16)
    return arrays


def load_weights(file: IO[bytes], name: str, mend: str) -> EncoderWeights:
    """Return what ``save_weights`` wrote.

    Args:
        file: Open for reading.
        name: What to call it in an error.
        mend: The command that puts it right, for an error.

    Raises:
        EncoderWeightsError: Truncated, damaged, of another version of this program, or no weights.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        header = json.loads(bytes(arrays.pop(_HEADER)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, UnicodeError) as error:
        raise EncoderWeightsError(
            f"{name} is no whole file of encoder weights ({error}). Wanted is {_FORMAT!r}. {mend}"
        ) from error
    if header.get("format") != _FORMAT or header.get("dim") != ENCODER_DIM:
        raise EncoderWeightsError(
            f"{name} holds {header.get('format')!r} with {header.get('dim')} dimensions; this "
            f"version reads {_FORMAT!r} with {ENCODER_DIM}. {mend}"
        )
    if header.get("checksum") != _sum_up(arrays):
        raise EncoderWeightsError(f"{name} is damaged: its checksum does not fit. {mend}")
    table = Table(
        arrays["table.numbers"].astype(np.int64), arrays["table.values"], arrays["table.scales"]
    )
    prefix = "parameter."
    parameters = {
        key.removeprefix(prefix): value.astype(np.float32)
        for key, value in arrays.items()
        if key.startswith(prefix)
    }
    shapes = list_shapes()
    odd = [key for key, value in parameters.items() if shapes.get(key) != value.shape]
    if odd:
        raise EncoderWeightsError(
            f"{name} is of another network: {', '.join(sorted(odd)[:3])} do not fit. {mend}"
        )
    idf = arrays["idf"].astype(np.float32)
    return EncoderWeights(header["version"], parameters, table, idf, header["facts"])


@cache
def load_shipped_weights(version: str) -> EncoderWeights:
    """Return weights that come with the package.

    Raises:
        EncoderWeightsError: No such version, or the file is missing or damaged.
    """
    if version == UNTRAINED:
        return make_untrained_weights()
    mend = "Install ingestion_pipeline again: pip install --force-reinstall ingestion_pipeline"
    resource = resources.files("ingestion_pipeline.embed").joinpath(f"data/{version}.npz")
    try:
        with resource.open("rb") as file:
            weights = load_weights(file, str(resource), mend)
    except FileNotFoundError as error:
        raise EncoderWeightsError(f"{resource} is missing, the weights of {version}. {mend}") from (
            error
        )
    if weights.version != version:
        raise EncoderWeightsError(f"{resource} holds {weights.version}, not {version}. {mend}")
    return weights


def _sum_up(arrays: Mapping[str, npt.NDArray]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key} {arrays[key].dtype} {arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()
