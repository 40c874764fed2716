"""A training from its name to the installed encoder: one at a time, and taken up where it ended."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion_pipeline.core.errors import ConfigurationError, TrainingBusyError
from ingestion_pipeline.embed.installed import check_free, install_encoder
from ingestion_pipeline.training.dataset import Repository
from ingestion_pipeline.training.report import draw_curves
from ingestion_pipeline.training.results import Trained, TrainingOptions
from ingestion_pipeline.training.train import train

_CHECKPOINT = "training.ckpt"
_LOCK = "training.lock"
# Beside the checkpoint, what ``read_sides`` wants to know when the training goes on.
REPOSITORIES_SUFFIX = ".json"
ReportStep = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class Sides:
    """The repositories of a training.

    Args:
        learnt: To learn from.
        held_out: To choose the best weights by.
        left_out: Name → why it takes no part.
    """

    learnt: Sequence[Repository]
    held_out: Sequence[Repository]
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """An encoder that was trained and lies beside the others.

    Args:
        trained: What the training yielded.
        sides: The repositories.
        path: The file of weights.
        curves_png: The picture, in a file beside it, too.
        seconds: From the first history that was read to the installed file; where a training was
            taken up again, of the last part.
    """

    trained: Trained
    sides: Sides
    path: Path
    curves_png: bytes
    seconds: float


def train_encoder(
    folder: Path,
    name: str,
    options: TrainingOptions,
    device: str,
    read_sides: Callable[[Path], Sides],
    report: ReportStep,
) -> TrainedEncoder:
    """Train an encoder and put it beside the others; the one in use stays in use.

    A training that was cut off goes on where it last looked at the held-out repositories.

    Args:
        folder: Of the encoders.
        name: Version of the result; "" for one made of its weights.
        options: How.
        device: ``auto``, ``cpu`` or ``cuda``.
        read_sides: Given the file from which the training goes on where there is one, returns the
            repositories. Called when no other training can begin any more.
        report: Told of every step and its losses.

    Raises:
        EncoderWeightsError: There is an encoder of that name already, or it cannot be a name.
        TrainingBusyError: Another training is under way.
        ConfigurationError: As ``train``; or the folder cannot be written.
    """
    if name:
        check_free(folder, name)
    with _explain_unwritten(folder), _lock(folder):
        begin, checkpoint = time.monotonic(), folder / _CHECKPOINT
        sides = read_sides(checkpoint)
        trained = train(
            *(sides.learnt, sides.held_out, options),
            version=name,
            device=device,
            checkpoint=checkpoint,
            report=report,
        )
        path = install_encoder(folder, trained.weights)
        curves_png = draw_curves(trained.curves)
        path.with_suffix(".png").write_bytes(curves_png)
        checkpoint.unlink()
        checkpoint.with_suffix(REPOSITORIES_SUFFIX).unlink(missing_ok=True)
        seconds = time.monotonic() - begin
    return TrainedEncoder(trained, sides, path, curves_png, seconds)


def hold_out(repositories: Sequence[Repository], names: Sequence[str] = ()) -> Sides:
    """Return both sides: the named ones are held out, without names each fifth, from the second.

    One side may be empty.
    """
    if names:
        chosen = [one for one in repositories if one.name in names]
    else:
        chosen = list(repositories[1::5])
    kept = {one.name for one in chosen}
    return Sides([one for one in repositories if one.name not in kept], chosen)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TrainingBusyError(
            f"Another training is under way in {folder}; there is one at a time, because it is "
            "taken up again from one file. Wait for its end, or end it."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _explain_unwritten(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"The training could not write or read {error.filename or folder} ({error.strerror}). "
            "What was there before is whole. Make room or grant the right, then train again: it "
            "goes on where it last looked."
        ) from error
