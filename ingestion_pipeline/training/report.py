"""Evaluations and trainings for people: Markdown, and pictures."""

import io
from collections.abc import Sequence

from ingestion_pipeline.training.evaluate import Evaluation
from ingestion_pipeline.training.results import TrainingCurves
from ingestion_pipeline.training.tasks import Task
from ingestion_pipeline.training.ways import BM25


def write_table(evaluation: Evaluation) -> str:
    """Return a Markdown table: mean reciprocal rank, recall at ten, and the ratio to BM25.

    All are means over repositories; behind the ratio stands its 95 % interval, by paired bootstrap
    over the queries. Where it was measured, the last column is what is left of the MRR when all
    repositories stand in one collection.
    """
    pooled = bool(evaluation.pooled)
    lines = [
        f"| task | ranking | MRR | R@10 | to BM25 |{' one collection |' if pooled else ''}",
        f"| --- | --- | ---: | ---: | ---: |{' ---: |' if pooled else ''}",
    ]
    for task in Task:
        for way in evaluation.list_ways(task):
            mrr, recall = evaluation.find_mrr(task, way), evaluation.find_recall(task, way)
            ratio = "" if way == BM25 else _write_ratio(evaluation, task, way)
            line = f"| {task} | {way} | {mrr:.3f} | {recall:.3f} | {ratio} |"
            if pooled:
                line += f" {_write_kept(evaluation, task, way)} |"
            lines.append(line)
    return "\n".join(lines) + "\n"


def write_repositories(evaluation: Evaluation, ways: Sequence[str]) -> str:
    """Return a Markdown table of every repository: queries, and the MRR of some rankings."""
    head = [f"{way}, MRR" for way in ways]
    lines = [
        f"| task | repository | queries | {' | '.join(head)} |",
        f"| --- | --- | ---: | {' | '.join('---:' for _ in ways)} |",
    ]
    for task in Task:
        for number, name in enumerate(evaluation.repositories):
            found = evaluation.ranked[task][number]
            if not found:
                continue
            results = [found[way] for way in ways]
            cells = [f"{result.mrr:.3f}" for result in results]
            queries = len(results[0].reciprocal_ranks)
            lines.append(f"| {task} | {name} | {queries:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _write_kept(evaluation: Evaluation, task: Task, way: str) -> str:
    known = task in evaluation.pooled
    return f"{evaluation.find_kept_share(task, way):.0%}" if known else ""


def _write_ratio(evaluation: Evaluation, task: Task, way: str) -> str:
    ratio, low, high = evaluation.find_ratio(task, way)
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})"


def draw_evaluation(evaluation: Evaluation) -> bytes:
    """Return a PNG: the MRR of every ranking, task by task."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for axis, task in zip(figure.subplots(1, len(Task)), Task, strict=True):
        ways = evaluation.list_ways(task)
        values = [evaluation.find_mrr(task, way) for way in ways]
        bars = axis.barh(ways[::-1], values[::-1], color="#4c78a8")
        axis.bar_label(bars, fmt="%.3f", padding=2, fontsize=8)
        axis.set_title(task, fontsize=9)
        axis.set_xlim(0, max(values, default=1) * 1.2)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return _save(figure)


def draw_curves(curves: TrainingCurves) -> bytes:
    """Return a PNG: the losses, and the quality on the held-out repositories."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    losses, quality = figure.subplots(1, 2)
    for name, points in sorted(curves.losses.items()):
        losses.plot(*zip(*points, strict=True), label=name)
    losses.legend(fontsize=8)
    losses.set_title("loss on what is learnt from", fontsize=9)
    if curves.quality:
        quality.plot(*zip(*curves.quality, strict=True), color="#4c78a8", marker="o", markersize=3)
    quality.set_title("held out: MRR of the vectors alone, to BM25", fontsize=9)
    for axis in (losses, quality):
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return _save(figure)


def _save(figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120)
    return out.getvalue()
