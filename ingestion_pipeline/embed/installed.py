"""Which encoders there are on this machine, and which of them is in use.

Those that ship with the package are always there; a training adds its own to the folder of
encoders, in the data folder, where a line in ``in-use`` also says which one is in use.
"""

import re
from pathlib import Path

from ingestion_pipeline.core.errors import EncoderWeightsError
from ingestion_pipeline.embed.version import ENCODER_VERSION, SHIPPED_VERSIONS
from ingestion_pipeline.embed.weights import (
    EncoderWeights,
    digest_weights,
    load_shipped_weights,
    load_weights,
    save_weights,
)

_IN_USE = "in-use"
# A version stands in the name of a collection, and in the fingerprint, where "_" parts the parts.
_VERSION = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


def list_encoders(folder: Path) -> list[str]:
    """Return the versions of all encoders, those that ship first."""
    trained = sorted(path.stem for path in folder.glob("*.npz")) if folder.is_dir() else []
    return [*SHIPPED_VERSIONS, *(name for name in trained if name not in SHIPPED_VERSIONS)]


def read_in_use(folder: Path) -> str:
    """Return the version of the encoder in use, ``ENCODER_VERSION`` where nobody chose.

    Raises:
        EncoderWeightsError: The file that says so says nothing.
    """
    try:
        chosen = (folder / _IN_USE).read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ENCODER_VERSION
    if not _VERSION.fullmatch(chosen):
        raise EncoderWeightsError(
            f"{folder / _IN_USE} names no encoder. Choose one: ingestion-pipeline encoder use "
            f"{ENCODER_VERSION}"
        )
    return chosen


def use_encoder(folder: Path, version: str) -> EncoderWeights:
    """Make an encoder the one in use, after looking whether it is whole.

    Returns:
        Its weights.

    Raises:
        EncoderWeightsError: There is none of that version, or its file is damaged.
    """
    weights = load_installed_weights(folder, version)
    folder.mkdir(parents=True, exist_ok=True)
    building = folder / f"{_IN_USE}.building"
    building.write_text(f"{version}\n", encoding="utf-8")
    building.replace(folder / _IN_USE)
    return weights


def install_encoder(folder: Path, weights: EncoderWeights) -> Path:
    """Put a trained encoder beside the others; the one in use stays in use.

    Nothing is written where the same weights are there already.

    Raises:
        EncoderWeightsError: The version cannot be a name, is one that ships, or other weights have
            it; two encoders of one version would answer from each other's points.
    """
    check_version(weights.version)
    folder.mkdir(parents=True, exist_ok=True)
    path = _find_file(folder, weights.version)
    if not path.exists():
        save_weights(path, weights)
    elif digest_weights(load_installed_weights(folder, weights.version)) != digest_weights(weights):
        check_free(folder, weights.version)
    return path


def check_free(folder: Path, version: str) -> None:
    """Pass when a trained encoder may be called so and none is yet.

    Raises:
        EncoderWeightsError: Otherwise.
    """
    check_version(version)
    path = _find_file(folder, version)
    if path.exists():
        raise EncoderWeightsError(
            f"There is an encoder {version} already, {path}. Choose another name, or delete that "
            "file if nothing was ever indexed with it."
        )


def _find_file(folder: Path, version: str) -> Path:
    return folder / f"{version}.npz"


def check_version(version: str) -> None:
    """Pass when a trained encoder may be called so.

    Raises:
        EncoderWeightsError: It stands in the name of a collection, so not every text will do.
    """
    if not _VERSION.fullmatch(version) or version in SHIPPED_VERSIONS:
        raise EncoderWeightsError(
            f"{version!r} cannot name a trained encoder: give lowercase letters, digits, '.' "
            f"and '-', and none of {', '.join(SHIPPED_VERSIONS)}."
        )


def load_installed_weights(folder: Path, version: str) -> EncoderWeights:
    """Return the weights of an encoder of this machine.

    Raises:
        EncoderWeightsError: There is none of that version, or its file is damaged.
    """
    if version in SHIPPED_VERSIONS:
        return load_shipped_weights(version)
    mend = (
        "Train it again, copy the file from where it was trained, or go back: ingestion-pipeline "
        f"encoder use {ENCODER_VERSION}"
    )
    path = _find_file(folder, version)
    try:
        with path.open("rb") as file:
            weights = load_weights(file, str(path), mend)
    except FileNotFoundError:
        raise EncoderWeightsError(
            f"There is no encoder {version}: {path} is missing. There are: "
            f"{', '.join(list_encoders(folder))}. {mend}"
        ) from None
    if weights.version != version:
        raise EncoderWeightsError(f"{path} holds {weights.version}, not {version}. {mend}")
    return weights
