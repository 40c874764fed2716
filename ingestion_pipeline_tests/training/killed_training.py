"""A training of tracked repositories that is killed, as by ``kill -9``, once it has looked.

As a program: the folder of the home, and the step after which it dies; 0 to live.
"""

import os
import signal
import sys
from pathlib import Path

from ingestion_pipeline.composition import open_services
from ingestion_pipeline.settings import Settings
from ingestion_pipeline.training.encoder import TrainedEncoder, train_encoder
from ingestion_pipeline.training.results import TrainingOptions

OPTIONS = TrainingOptions(steps=6, evaluate_every=3, learning_rate=3e-3)


def train_tracked(home: Path, last_step: int = 0) -> tuple[TrainedEncoder, list[int], list[str]]:
    """Train on what is tracked; return the encoder, the steps taken and what was told.

    Args:
        home: With the state and the encoders.
        last_step: When this process dies, the checkpoint of an earlier step being there.
    """
    steps: list[int] = []
    told: list[str] = []

    def report(step: int, _losses: dict[str, float]) -> None:
        steps.append(step)
        if step == last_step:
            assert (settings.encoders_path / "training.ckpt").exists()
            os.kill(os.getpid(), signal.SIGKILL)

    settings = Settings(home=home)
    with open_services(settings) as services:
        read = services.open_histories(told.append).read_sides
        done = train_encoder(settings.encoders_path, "", OPTIONS, "cpu", read, report)
    return done, steps, told


if __name__ == "__main__":
    train_tracked(Path(sys.argv[1]), int(sys.argv[2]))
