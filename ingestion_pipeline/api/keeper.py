"""The threads behind the routes: jobs, checks for syncs of everything, webhooks."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import ConfigurationError, TransientError
from ingestion_pipeline.notify.deliver import deliver_due
from ingestion_pipeline.orchestration.job_runs import JobRuns
from ingestion_pipeline.orchestration.sweeps import tend_sweep

_logger = logging.getLogger(__name__)
_INTERVAL_SECONDS = 1.0
_LONGEST_INTERVAL_SECONDS = 60.0
_LONGEST_END_SECONDS = 5.0


class JobKeeper:
    """Tends jobs once a second, and at once when it is woken; after failures ever more rarely.

    Each task has a thread of its own: a host that answers slowly, or a receiver of webhooks that
    does, holds up no job.

    Args:
        services: Stay open as long as it works.
        instance: Dagster's.
    """

    def __init__(self, services: Services, instance: dg.DagsterInstance) -> None:
        self._services = services
        self._instance = instance
        self._over = threading.Event()
        self._runs = JobRuns(services, instance)
        steps = (self._runs.tend, self._tend_sweep, self._deliver)
        self._steps: dict[Callable[[], None], threading.Event] = {
            step: threading.Event() for step in steps
        }

    def wake(self) -> None:
        """Say that there is something to do."""
        for woken in self._steps.values():
            woken.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work until the context ends."""
        self._over.clear()
        threads = [
            # Daemons: a host that does not answer must not hold up the end of the process.
            threading.Thread(target=self._repeat, args=item, name=item[0].__name__, daemon=True)
            for item in self._steps.items()
        ]
        threads.append(threading.Thread(target=self._prepare, name="prepare", daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            self.wake()
            for thread in threads:
                thread.join(_LONGEST_END_SECONDS)

    def _prepare(self) -> None:
        try:
            self._runs.prepare()
        except ConfigurationError as error:
            _logger.warning("Syncs are accepted and cannot be handed over: %s", error)

    def _repeat(self, step: Callable[[], None], woken: threading.Event) -> None:
        interval = _INTERVAL_SECONDS
        while not self._over.is_set():
            try:
                step()
                interval = _INTERVAL_SECONDS
            except ExceptionGroup:  # some jobs' trouble, not that of the others
                _logger.exception("%s did not do all, and is tried again", step.__name__)
            except TransientError as error:
                _logger.warning("%s failed and is tried again: %s", step.__name__, error)
                interval = min(2 * interval, _LONGEST_INTERVAL_SECONDS)
            except Exception:  # whatever it is, the next round may be better, and jobs wait for it
                _logger.exception("%s failed and is tried again", step.__name__)
                interval = min(2 * interval, _LONGEST_INTERVAL_SECONDS)
            woken.wait(interval)
            woken.clear()

    def _tend_sweep(self) -> None:
        if tend_sweep(self._services, self._instance):
            self.wake()

    def _deliver(self) -> None:
        if self._services.settings.webhook_signing_secret is None:
            return
        store, sender = self._services.state.deliveries, self._services.webhook_sender
        # One at a time, so that a slow receiver holds up the end by its own time alone.
        while not self._over.is_set() and deliver_due(
            store, sender.send, self._services.clock, limit=1
        ):
            pass
