"""A run's progress: in its log, in the state for whoever asks, and where it runs in a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.state import SyncProgress
from ingestion_pipeline.indexing.progress import Listener, Progress, Snapshot, tell_progress

# Set by the command line, whose runs are in its own process: a bar says more than log lines.
_terminal: list[Listener] = []


@contextmanager
def show_in_terminal(listener: Listener) -> Iterator[None]:
    """Tell this listener too, of every run of this process."""
    _terminal.append(listener)
    try:
        yield
    finally:
        _terminal.remove(listener)


@contextmanager
def tell_run_progress(
    context: dg.OpExecutionContext, services: Services, stage: str
) -> Iterator[Progress]:
    """Yield the progress of an op; its run's log and the state hear of it every second."""

    def store(snapshot: Snapshot) -> None:
        services.state.set_progress(
            SyncProgress(
                run_id=context.run_id,
                partition_key=context.partition_key,
                stage=snapshot.stage,
                done=snapshot.done,
                total=snapshot.total,
                current=snapshot.current,
                updated_at=services.clock.now(),
                percentage=snapshot.percentage,
            )
        )

    with tell_progress(stage, (store, _log_to(context), *_terminal)) as progress:
        yield progress


def _log_to(context: dg.OpExecutionContext) -> Callable[[Snapshot], None]:
    last: list[Snapshot] = []

    def log(snapshot: Snapshot) -> None:
        if last[-1:] != [snapshot]:
            context.log.info(describe(snapshot))
        last[:] = [snapshot]

    return log


def describe(snapshot: Snapshot) -> str:
    """Return one line, for example ``parse 1,200/6,300 src/app.py``."""
    count = f"{snapshot.done:,}/{snapshot.total:,}" if snapshot.total else ""
    return " ".join(part for part in (snapshot.stage, count, snapshot.current) if part)
