"""How a training goes, and what it yields."""

from collections import defaultdict
from dataclasses import dataclass, field

from ingestion_pipeline.embed.weights import EncoderWeights
from ingestion_pipeline.training.evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a training goes; the same options, repositories and device give the same weights.

    Args:
        steps: Of the optimiser.
        seed: Of everything that is drawn.
        learning_rate: At its highest, after the warm-up; it falls along a cosine.
        chunk_nodes: Nodes that one step sees, about.
        evaluate_every: Steps between two looks at the held-out repositories.
        patience: Looks without an improvement after which the training ends.
        layers: Whether nodes hear their neighbours; without, it is the ablation's MLP.
        word_dropout: Share of a node's words that a step does not see.
    """

    steps: int = 1_800
    seed: int = 0
    learning_rate: float = 1e-3
    chunk_nodes: int = 2_500
    evaluate_every: int = 300
    patience: int = 4
    layers: bool = True
    word_dropout: float = 0.25


def make_options(steps: int, seed: int, *, layers: bool) -> TrainingOptions:
    """Return the options of a training, however few its steps are: the last one is looked at."""
    often = min(TrainingOptions().evaluate_every, steps)
    return TrainingOptions(steps=steps, seed=seed, layers=layers, evaluate_every=often)


@dataclass(slots=True)
class TrainingCurves:
    """What happened, for people and for the picture.

    Args:
        losses: Name → (step, mean since the last look).
        quality: (step, quality on the held-out repositories).
    """

    losses: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    quality: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training yields.

    Args:
        weights: The best on the held-out repositories.
        step: When they were reached.
        curves: What happened.
        evaluation: Of the best weights, on the held-out repositories.
        device: Where they were learnt, in the end, ``cpu`` or ``cuda``.
    """

    weights: EncoderWeights
    step: int
    curves: TrainingCurves
    evaluation: Evaluation
    device: str
