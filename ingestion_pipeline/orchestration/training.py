"""The asset ``encoder``: what a training on the histories of the tracked repositories yields."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from pydantic import Field

from ingestion_pipeline.composition import Services
from ingestion_pipeline.orchestration.metadata import make_picture
from ingestion_pipeline.orchestration.retries import dagster_errors
from ingestion_pipeline.training.encoder import ReportStep, TrainedEncoder, train_encoder
from ingestion_pipeline.training.report import write_table
from ingestion_pipeline.training.results import TrainingOptions, make_options

DESCRIPTION = """\
An encoder that was trained on the tracked repositories: on their docstrings, and on what their
commits say and change together.

Their histories are fetched for it, beside the mirrors. Some repositories are held out, to choose
the best weights by. A training that was cut off goes on where it last looked at them. The data
version is the encoder's version.

The encoder is not in use yet: `ingestion-pipeline encoder use VERSION` puts it in use, and every
repository is then indexed anew.
"""
# Not the syncs' own: they would wait for hours inside runs that have begun.
TRAINING_POOL = "training"
_STEPS_PER_LINE = 25
_DEFAULTS = TrainingOptions()
_NO_LIMIT = "0"


class TrainingConfig(dg.Config):
    """How an encoder is trained."""

    steps: int = Field(default=_DEFAULTS.steps, ge=1, description="Of the optimiser.")
    seed: int = Field(default=_DEFAULTS.seed, description="The same one, the same weights.")
    name: str = Field(
        default="", description="Version of the result; empty for one made of its weights."
    )
    without_layers: bool = Field(
        default=False, description="No message passing: the ablation's MLP."
    )
    held_out: list[str] = Field(
        default=[],
        description="Repositories (owner/name) to choose the best weights by; empty: each fifth.",
    )


@dg.asset(
    group_name="ingestion",
    kinds={"git", "pytorch"},
    owners=["team:data-platform"],
    description=DESCRIPTION,
    pool=TRAINING_POOL,
    required_resource_keys={"services"},
)
def encoder(context: dg.OpExecutionContext, config: TrainingConfig) -> dg.MaterializeResult:  # pyright: ignore[reportMissingTypeArgument]
    """Fetch the histories, train, and put the encoder beside the others."""
    with dagster_errors(context):
        services: Services = context.resources.services
        # Longer than any sync: the instance's limit on a run's time is not for it.
        context.instance.add_run_tags(context.run_id, {MAX_RUNTIME_SECONDS_TAG: _NO_LIMIT})
        histories = services.open_histories(context.log.info)
        done = train_encoder(
            services.encoders_path,
            config.name,
            make_options(config.steps, config.seed, layers=not config.without_layers),
            services.settings.device,
            lambda checkpoint: histories.read_sides(checkpoint, config.held_out),
            _log_steps(context, config.steps),
        )
        return dg.MaterializeResult(
            metadata=describe_training(done),
            data_version=dg.DataVersion(done.trained.weights.version),
        )


def _log_steps(context: dg.OpExecutionContext, steps: int) -> ReportStep:
    """Return what logs the first step of this run and then every 25th."""
    told: list[int] = []

    def log(step: int, losses: Mapping[str, float]) -> None:
        if told and step % _STEPS_PER_LINE and step != steps:
            return
        if not told and step > 1:
            context.log.info(f"The training goes on from step {step - 1:,}, where it last looked.")
        told.append(step)
        said = ", ".join(f"{name} {value:.2f}" for name, value in losses.items())
        context.log.info(f"Step {step:,} of {steps:,}; losses: {said or 'none'}")

    return log


def describe_training(done: TrainedEncoder) -> Mapping[str, Any]:
    """Metadata of the materialization; the UI keeps this order."""
    trained, sides = done.trained, done.sides
    version = trained.weights.version
    return {
        "version": version,
        "put_in_use": dg.MetadataValue.md(f"`ingestion-pipeline encoder use {version}`"),
        "quality": trained.evaluation.find_quality(""),
        "curves": make_picture(
            "curves",
            done.curves_png,
            "Losses of what was learnt from, and the vectors' MRR to BM25's on what was held out.",
        ),
        "evaluation": dg.MetadataValue.md(write_table(trained.evaluation)),
        "step": trained.step,
        "repositories": dg.MetadataValue.json([one.name for one in sides.learnt]),
        "held_out": dg.MetadataValue.json([one.name for one in sides.held_out]),
        "left_out": dg.MetadataValue.json(dict(sides.left_out)),
        "device": trained.device,
        "seconds": round(done.seconds, 3),
        "path": dg.MetadataValue.path(done.path),
    }
