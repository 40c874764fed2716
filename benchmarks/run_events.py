"""Where the wall time of one run went, read from Dagster's event log."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import DagsterEventType as Type

from benchmarks.home import Home, inside, read_numbers
from benchmarks.measure import Finished
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.settings import load_settings

OPS = ("clone_repository", "parse_repository", "embed_repository", "upsert_points")
_STEP_ENDS = (Type.STEP_SUCCESS, Type.STEP_FAILURE)


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Seconds of one process that ran one partition; the parts but ``cpu`` add up to ``total``.

    Args:
        total: From the start of the process to its exit.
        start: Until Dagster says that the run begins: interpreter, imports, definitions, the plan.
        work: Our own functions, by the materialization's ``seconds_…``.
        checks: The steps of asset checks.
        dagster: The rest of the run: resources, events, op outputs to and from disk.
        exit: From the run's last event to the end of the process.
        cpu: CPU seconds of the process, which other work on the machine hardly changes.
        stages: Stage → seconds, of ``work``.
        metadata: All numbers of the materialization.
    """

    total: float
    start: float
    work: float
    checks: float
    dagster: float
    exit: float
    cpu: float
    stages: dict[str, float]
    metadata: dict[str, float]


def read_run_times(home: Home, finished: Finished) -> RunTimes:
    """Read the newest run of a home, which this process made."""
    return split_run(_read_events(home), finished)


def read_step_spans(home: Home) -> dict[str, tuple[float, float]]:
    """Return op → when it began and ended in the newest run, seconds since the epoch."""
    spans: dict[str, tuple[float, float]] = {}
    for at, event in _read_events(home):
        if event.event_type is Type.STEP_START and event.step_key is not None:
            spans[event.step_key] = (at, at)
        elif event.event_type in _STEP_ENDS and event.step_key is not None:
            spans[event.step_key] = (spans[event.step_key][0], at)
    return {name: span for step, span in spans.items() for name in OPS if step.endswith(name)}


def _read_events(home: Home) -> list[tuple[float, dg.DagsterEvent]]:
    with inside(home.environment), open_instance(load_settings()) as instance:
        [record] = instance.get_run_records(limit=1)
        return [
            (entry.timestamp, entry.dagster_event)
            for entry in instance.all_logs(record.dagster_run.run_id)
            if entry.dagster_event is not None
        ]


def split_run(events: Sequence[tuple[float, dg.DagsterEvent]], finished: Finished) -> RunTimes:
    """Split the wall time of a process by the events of its run."""
    begin = next(at for at, event in events if event.event_type is Type.RUN_START)
    end = next(at for at, event in events if event.event_type is Type.RUN_SUCCESS)
    checks = sum(
        seconds for step, seconds in _step_seconds(events).items() if not step.endswith(OPS)
    )
    metadata = _read_metadata(events)
    stages = {
        name.removeprefix("seconds_"): value
        for name, value in metadata.items()
        if name.startswith("seconds_")
    }
    if not stages:  # the yardstick has neither stages nor checks
        checks = 0.0
    work = sum(stages.values())
    return RunTimes(
        total=finished.seconds,
        start=begin - finished.began_at,
        work=work,
        checks=checks,
        dagster=end - begin - work - checks,
        exit=finished.began_at + finished.seconds - end,
        cpu=finished.cpu_seconds,
        stages=stages,
        metadata=metadata,
    )


def _step_seconds(events: Sequence[tuple[float, dg.DagsterEvent]]) -> dict[str, float]:
    started: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for at, event in events:
        if event.step_key is None:
            continue
        if event.event_type is Type.STEP_START:
            started[event.step_key] = at
        elif event.event_type in _STEP_ENDS:
            seconds[event.step_key] = at - started[event.step_key]
    return seconds


def _read_metadata(events: Sequence[tuple[float, dg.DagsterEvent]]) -> dict[str, float]:
    for _, event in events:
        if event.event_type is Type.ASSET_MATERIALIZATION:
            return read_numbers(event.step_materialization_data.materialization.metadata)
    return {}
