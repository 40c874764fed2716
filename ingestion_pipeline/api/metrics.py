"""What Prometheus is told, read from the state and from Dagster's storage when it asks.

Nothing is counted in this process, so a restart loses nothing and several servers say the same.
Names follow https://prometheus.io/docs/practices/naming/; no label holds a repository's name.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

import dagster as dg
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.jobs import JobStatus
from ingestion_pipeline.core.repositories import RepositoryStatus
from ingestion_pipeline.core.state import SyncStatus
from ingestion_pipeline.core.totals import StateTotals, SyncTotals
from ingestion_pipeline.orchestration.worker_status import QueueFacts, read_queue_facts

_logger = logging.getLogger(__name__)

# A sync of what changed takes a second or two, a large first index minutes; a run has an hour.
DURATION_BOUNDS_SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class PipelineCollector(Collector):
    """Reads the numbers at each scrape; a source that fails is said to be down, without numbers.

    Args:
        services: Stay open as long as the application.
        instance: Dagster's.
    """

    def __init__(self, services: Services, instance: dg.DagsterInstance) -> None:
        self._services = services
        self._instance = instance

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        up = GaugeMetricFamily(
            "ingestion_source_up",
            "Whether what these numbers are read from answered; 0: its numbers are missing.",
            labels=["source"],
        )
        sources = {"state": self._read_state, "dagster_storage": self._read_dagster}
        for name, read in sources.items():
            metrics = _read(name, read)
            up.add_metric([name], metrics is not None)
            yield from metrics or ()
        yield up

    def _read_state(self) -> Iterable[Metric]:
        state = self._services.state
        waiting = sum(job.status is JobStatus.QUEUED for job in state.jobs.list_unended())
        yield _gauge(
            "ingestion_queued_jobs", "Syncs asked for over HTTP that have not started.", waiting
        )
        yield from describe_state(state.read_totals(DURATION_BOUNDS_SECONDS))

    def _read_dagster(self) -> Iterable[Metric]:
        now = self._services.clock.now()
        return describe_queue(read_queue_facts(self._instance, now), now)


def _read(name: str, read: Callable[[], Iterable[Metric]]) -> list[Metric] | None:
    try:
        return list(read())
    except Exception:
        _logger.exception("No metrics of %s", name)
        return None


def describe_state(totals: StateTotals) -> Iterator[Metric]:
    """Yield what the state adds up to."""
    yield from describe_syncs(totals.syncs)
    repositories = GaugeMetricFamily(
        "ingestion_tracked_repositories",
        "Tracked repositories by what the host last said of them.",
        labels=["status"],
    )
    for status in RepositoryStatus:
        repositories.add_metric([status.value], totals.repositories.get(status, 0))
    yield repositories
    yield _gauge(
        "ingestion_failing_repositories",
        "Tracked repositories whose newest sync failed.",
        totals.failing,
    )
    yield _gauge(
        "ingestion_unindexed_repositories",
        "Tracked repositories that were never indexed whole.",
        totals.unindexed,
    )
    yield _gauge(
        "ingestion_points", "Points of the branches as they were last indexed.", totals.points
    )
    deliveries = GaugeMetricFamily(
        "ingestion_webhook_deliveries", "Webhooks that did not arrive so far.", labels=["status"]
    )
    deliveries.add_metric(["pending"], totals.deliveries_pending)
    deliveries.add_metric(["dead"], totals.deliveries_dead)
    yield deliveries


def describe_syncs(syncs: Sequence[SyncTotals]) -> Iterator[Metric]:
    """Yield the syncs by end, those that completed by kind, and how long each took."""
    ended = CounterMetricFamily("ingestion_syncs", "Syncs that ended.", labels=["status"])
    completed = CounterMetricFamily(
        "ingestion_completed_syncs",
        "Syncs that completed: full ones look at every file, incremental ones at what changed.",
        labels=["kind"],
    )
    durations = HistogramMetricFamily(
        "ingestion_sync_duration_seconds", "How long syncs took.", labels=["status"]
    )
    for status in SyncStatus:
        of_status = [item for item in syncs if item.status is status]
        counts = [sum(item.counts[at] for item in of_status) for at in range(_BUCKETS)]
        ended.add_metric([status.value], sum(counts))
        seconds = sum(item.seconds for item in of_status)
        durations.add_metric([status.value], _make_buckets(counts), seconds)
    for kind, is_full in (("full", True), ("incremental", False)):
        of_kind = (s for s in syncs if s.status is SyncStatus.COMPLETE and s.is_full is is_full)
        completed.add_metric([kind], sum(sum(item.counts) for item in of_kind))
    yield from (ended, completed, durations)


_BUCKETS = len(DURATION_BOUNDS_SECONDS) + 1


def _make_buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return upper bound → how many took at most so long, as Prometheus has it."""
    bounds = [*map(str, DURATION_BOUNDS_SECONDS), "+Inf"]
    return list(zip(bounds, map(float, accumulate(counts)), strict=True))


def describe_queue(facts: QueueFacts, now: datetime) -> Iterator[Metric]:
    """Yield how Dagster's queue is; what is not known is absent."""
    oldest_seconds = _age_seconds(facts.oldest_queued_at or now, now)
    yield _gauge("ingestion_queued_runs", "Runs in Dagster's queue.", facts.queued)
    yield _gauge(
        "ingestion_oldest_queued_run_age_seconds",
        "How long the oldest run in the queue has waited; 0 where none waits.",
        oldest_seconds,
    )
    yield _gauge(
        "ingestion_running_runs", "Runs being started, at work or being ended.", facts.running
    )
    heartbeats = GaugeMetricFamily(
        "ingestion_daemon_heartbeat_age_seconds",
        "Time since the last heartbeat of a Dagster daemon; absent where it never had one.",
        labels=["daemon"],
    )
    for name, beat in facts.heartbeats.items():
        heartbeats.add_metric([name.lower()], _age_seconds(beat, now))
    yield heartbeats
    limit = facts.rate_limit
    if limit is not None:
        yield _gauge(
            "ingestion_api_rate_limit_remaining",
            "Calls that the code host allows until its limit is full again.",
            limit.remaining,
        )
        yield _gauge(
            "ingestion_api_rate_limit", "Calls that the code host allows in all.", limit.limit
        )


def _age_seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())  # another machine's clock may be ahead


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
