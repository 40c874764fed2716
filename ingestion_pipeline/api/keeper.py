"""The thread that hands jobs to Dagster, follows them, and sends their webhooks."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import TransientError
from ingestion_pipeline.notify.deliver import deliver_due
from ingestion_pipeline.orchestration.job_runs import JobRuns

_logger = logging.getLogger(__name__)
_INTERVAL_SECONDS = 1.0


class JobKeeper:
    """Tends jobs once a second, and at once when it is woken.

    Args:
        services: Stay open as long as it works.
        instance: Dagster's.
    """

    def __init__(self, services: Services, instance: dg.DagsterInstance) -> None:
        self._services = services
        self._runs = JobRuns(services, instance)
        self._woken = threading.Event()
        self._over = threading.Event()

    def wake(self) -> None:
        """Say that there is something to hand over."""
        self._woken.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work until the context ends."""
        self._over.clear()
        threads = [
            threading.Thread(target=self._repeat, args=(step,), name=step.__name__)
            for step in (self._runs.tend, self._deliver)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._woken.set()
            for thread in threads:
                thread.join()

    def _repeat(self, step: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                step()
            except TransientError as error:
                _logger.warning("%s failed and is tried again: %s", step.__name__, error)
            except Exception:  # whatever it is, the next round may be better, and jobs wait for it
                _logger.exception("%s failed and is tried again", step.__name__)
            self._woken.wait(_INTERVAL_SECONDS)
            self._woken.clear()

    def _deliver(self) -> None:
        if self._services.settings.webhook_signing_secret is None:
            return
        store, sender = self._services.state.deliveries, self._services.webhook_sender
        # One at a time, so that a slow receiver holds up the end by its own time alone.
        while not self._over.is_set() and deliver_due(
            store, sender.send, self._services.clock, limit=1
        ):
            pass
