"""The loop: steps over chunks, a look at held-out repositories, the best weights kept."""

import hashlib
import io
import json
import logging
import math
import pickle
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.embed.encoder import Encoder
from ingestion_pipeline.embed.gpu_memory import run_or_leave_gpu
from ingestion_pipeline.embed.torch_runtime import choose_device
from ingestion_pipeline.embed.weights import EncoderWeights, digest_weights
from ingestion_pipeline.training.chunks import Chunk, cut_repository
from ingestion_pipeline.training.dataset import Repository
from ingestion_pipeline.training.evaluate import Evaluation, evaluate_repositories
from ingestion_pipeline.training.losses import make_change_losses, make_word_losses
from ingestion_pipeline.training.model import Model
from ingestion_pipeline.training.results import Trained, TrainingCurves, TrainingOptions
from ingestion_pipeline.training.tasks import Task, make_queries

if TYPE_CHECKING:
    import torch

_logger = logging.getLogger(__name__)
_WARM_UP_STEPS = 50
_LEAST_RATE_SHARE = 0.05
_MOST_GRADIENT = 1.0
# A repository ten times as large is drawn four times as often.
_SIZE_EXPONENT = 0.6


def train(
    repositories: Sequence[Repository],
    held_out: Sequence[Repository],
    options: TrainingOptions,
    *,
    version: str = "",
    device: str = "auto",
    checkpoint: Path | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda _step, _losses: None,
) -> Trained:
    """Learn an encoder; on the CPU from the last look on when the GPU's memory is full.

    Args:
        repositories: To learn from.
        held_out: To choose the best weights by; none of ``repositories``.
        options: How.
        version: What vectors of the result are stamped with; "" for one made of its weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        checkpoint: File from which a training that was cut off goes on, and to which it writes;
            None for none. One of other options or repositories is refused.
        report: Told of every step and its losses.

    Raises:
        ConfigurationError: No repositories, nothing to learn in them or to measure by, one that is
            on both sides, or a checkpoint of another training.
    """
    _check(repositories, held_out)

    def run(chosen: "torch.device") -> Trained:
        loop = _Loop(repositories, held_out, options, chosen)
        if checkpoint is not None and checkpoint.exists():
            loop.load(checkpoint)
        while not loop.is_over:
            report(loop.step + 1, loop.advance())
            if loop.step % options.evaluate_every == 0 or loop.step == options.steps:
                loop.look()
                if checkpoint is not None:
                    loop.save(checkpoint)
        return loop.finish(version)

    return run_or_leave_gpu(run, choose_device(device))


def _check(repositories: Sequence[Repository], held_out: Sequence[Repository]) -> None:
    if not repositories or not held_out:
        raise ConfigurationError(
            "A training needs repositories to learn from and others to choose the best weights by. "
            "Name at least one of each."
        )
    both = {one.name for one in repositories} & {one.name for one in held_out}
    if both:
        raise ConfigurationError(
            f"{', '.join(sorted(both))} cannot be learnt from and held out. Name each once."
        )
    if not any(len(make_queries(one, task)) for one in held_out for task in Task):
        raise ConfigurationError(
            f"{', '.join(one.name for one in held_out)}: held out, but with neither documented "
            "functions nor commits to measure by. Hold out others."
        )


class _Loop:
    def __init__(
        self,
        repositories: Sequence[Repository],
        held_out: Sequence[Repository],
        options: TrainingOptions,
        device: "torch.device",
    ) -> None:
        import torch

        torch.manual_seed(options.seed)
        self._options = options
        self._device = device
        self._random = np.random.default_rng(options.seed)
        self._held_out = held_out
        self._identity = _identify([*repositories, *held_out], options)
        self._names = [one.name for one in repositories]
        self._chunks, self._shares = self._cut(repositories, device)
        self._model = Model(
            options.seed, device, layers=options.layers, word_dropout=options.word_dropout
        )
        self._dense = torch.optim.Adam(self._model.dense_parameters, lr=options.learning_rate)
        self._sparse = torch.optim.SparseAdam([self._model.table], lr=options.learning_rate)
        self._recent: dict[str, list[float]] = defaultdict(list)
        self._best: tuple[float, int, EncoderWeights, Evaluation] | None = None
        self._curves = TrainingCurves()
        self.step = 0

    def _cut(
        self, repositories: Sequence[Repository], device: "torch.device"
    ) -> tuple[list[Chunk], np.ndarray]:
        chunks: list[Chunk] = []
        shares: list[float] = []
        for repository in repositories:
            cut = cut_repository(repository, self._options.chunk_nodes, self._random, device)
            chunks += cut
            shares += [repository.node_count**_SIZE_EXPONENT / len(cut)] * len(cut)
        taught = np.array([bool(c.documented or c.together or c.messages) for c in chunks], bool)
        if not taught.any():
            raise ConfigurationError(
                "These repositories have neither docstrings nor commits to learn from."
            )
        weighed = np.array(shares) * taught
        return chunks, weighed / weighed.sum()

    @property
    def is_over(self) -> bool:
        """Whether all steps were taken, or too many looks brought nothing."""
        if self.step >= self._options.steps:
            return True
        if self._best is None:
            return False
        since = (self.step - self._best[1]) // self._options.evaluate_every
        return since >= self._options.patience

    def advance(self) -> dict[str, float]:
        """Take one step; return its losses."""
        import torch

        self._set_rate()
        chunk = self._chunks[self._random.choice(len(self._chunks), p=self._shares)]
        make_losses = make_word_losses if self.step % 2 == 0 else make_change_losses
        self._model.is_training = True
        losses = make_losses(self._model, chunk, self._random)
        self.step += 1
        if losses:
            self._dense.zero_grad(set_to_none=True)
            self._sparse.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            torch.nn.utils.clip_grad_norm_(self._model.dense_parameters, _MOST_GRADIENT)
            self._dense.step()
            self._sparse.step()
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        for name, value in values.items():
            self._recent[name].append(value)
        return values

    def _set_rate(self) -> None:
        warm = min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        fallen = (1 + math.cos(math.pi * self.step / self._options.steps)) / 2
        share = warm * (_LEAST_RATE_SHARE + (1 - _LEAST_RATE_SHARE) * fallen)
        for optimizer in (self._dense, self._sparse):
            for group in optimizer.param_groups:
                group["lr"] = self._options.learning_rate * share

    def look(self) -> None:
        """Measure on the held-out repositories, and keep the weights when they are the best."""
        weights = self._model.export("", {})
        evaluation = evaluate_repositories(self._held_out, {"": Encoder(weights, "cpu")})
        quality = evaluation.find_quality("")
        self._curves.quality.append((self.step, quality))
        for name, values in self._recent.items():
            self._curves.losses[name].append((self.step, float(np.mean(values))))
        self._recent.clear()
        best_yet = self._best is None or quality > self._best[0]
        if best_yet:
            self._best = (quality, self.step, weights, evaluation)
        _logger.info(
            "Step %s: %.3f of BM25 on the held-out repositories%s.",
            *(f"{self.step:,}", quality, ", the best so far" if best_yet else ""),
        )

    def finish(self, version: str) -> Trained:
        """Return the best weights, named."""
        assert self._best is not None, "the last step is followed by a look"
        quality, step, weights, evaluation = self._best
        facts: dict[str, object] = {
            "repositories": self._names,
            "held_out": [one.name for one in self._held_out],
            "options": asdict(self._options),
            "step": step,
            "quality": round(quality, 4),
        }
        name = version or f"trained-{digest_weights(weights)[:8]}"
        named = EncoderWeights(name, weights.parameters, weights.table, weights.idf, facts)
        return Trained(named, step, self._curves, evaluation, self._device.type)

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on, all at once."""
        import torch

        state = {
            "identity": self._identity,
            "step": self.step,
            "table": self._model.table,
            "gains": self._model.gains,
            "parameters": self._model.parameters,
            "scales": self._model.scales,
            "dense": self._dense.state_dict(),
            "sparse": self._sparse.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": json.dumps(self._random.bit_generator.state),
            "curves": (dict(self._curves.losses), self._curves.quality),
            "best": self._best,
        }
        # In memory first: on a full disk torch would say nothing of the disk.
        content = io.BytesIO()
        torch.save(state, content)
        building = path.with_name(f"{path.name}.building")
        try:
            building.write_bytes(content.getbuffer())
            building.replace(path)
        finally:
            building.unlink(missing_ok=True)

    def load(self, path: Path) -> None:
        """Go on where ``save`` was called.

        Raises:
            ConfigurationError: The file is of another training.
        """
        import torch

        try:
            # Our own file in our own folder; it holds numpy arrays, which the safe mode refuses.
            state: dict[str, Any] = torch.load(path, weights_only=False, map_location="cpu")
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ConfigurationError(
                f"The checkpoint {path} cannot be read ({error}). Move it away to begin anew."
            ) from error
        if state.get("identity") != self._identity:
            raise ConfigurationError(
                f"{path} is the checkpoint of a training with other options or repositories. Move "
                "it away to begin anew."
            )
        self.step = state["step"]
        with torch.no_grad():
            self._model.table.copy_(state["table"])
            self._model.gains.copy_(state["gains"])
            for mine, stored in (
                (self._model.parameters, state["parameters"]),
                (self._model.scales, state["scales"]),
            ):
                for name, value in mine.items():
                    value.copy_(stored[name])
        self._dense.load_state_dict(state["dense"])
        self._sparse.load_state_dict(state["sparse"])
        torch.set_rng_state(state["torch"])
        self._random.bit_generator.state = json.loads(state["numpy"])
        losses, quality = state["curves"]
        self._curves = TrainingCurves(defaultdict(list, losses), quality)
        self._best = state["best"]


def _identify(repositories: Sequence[Repository], options: TrainingOptions) -> str:
    facts = [[one.name, one.commit, one.node_count] for one in repositories]
    return hashlib.sha256(json.dumps([facts, asdict(options)]).encode()).hexdigest()
