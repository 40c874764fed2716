"""Whether what the application needs answers, each asked by itself and for a short time."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.orchestration.worker_status import find_silent_daemons, storage_answers

_logger = logging.getLogger(__name__)

OK = "ok"
_LIMIT_SECONDS = 2.0


class ReadinessChecks:
    """State store, Dagster's storage, its daemons, point store.

    Args:
        services: Stay open as long as the application.
        instance: Dagster's.
        limit_seconds: How long an answer is waited for.
    """

    def __init__(
        self,
        services: Services,
        instance: dg.DagsterInstance,
        limit_seconds: float = _LIMIT_SECONDS,
    ) -> None:
        self._services = services
        self._instance = instance
        self._limit_seconds = limit_seconds
        self._checks: Mapping[str, Callable[[], str]] = {
            "state": self._ask_state,
            "dagster_storage": self._ask_dagster_storage,
            "daemon": self._ask_daemon,
            "point_store": self._ask_point_store,
        }
        # A thread each: one that hangs keeps its own from being asked again and holds up no other.
        self._threads = {
            name: ThreadPoolExecutor(1, thread_name_prefix=f"ready-{name}") for name in self._checks
        }

    async def ask(self) -> Mapping[str, str]:
        """Return check → ``ok``, or what is wrong in words without hosts, paths or secrets."""
        answers = await asyncio.gather(*(self._ask(name) for name in self._checks))
        return dict(zip(self._checks, answers, strict=True))

    async def _ask(self, name: str) -> str:
        asked = self._threads[name].submit(self._checks[name])
        try:
            return await asyncio.wait_for(asyncio.wrap_future(asked), self._limit_seconds)
        except TimeoutError:
            _logger.warning("Not ready: %s did not answer in time", name)
            return f"No answer within {self._limit_seconds:g} s."
        except Exception:
            _logger.exception("Not ready: %s failed", name)
            return "It failed. The server's log says why."

    def _ask_state(self) -> str:
        self._services.state.find_progress("")
        return OK

    def _ask_dagster_storage(self) -> str:
        with storage_answers():
            self._instance.get_run_records(limit=1)
            self._instance.all_instigator_state()
        return OK

    def _ask_daemon(self) -> str:
        silent = find_silent_daemons(self._instance, self._services.clock.now())
        names = ", ".join(name.replace("_", " ").lower() for name in silent)
        return f"No heartbeat lately of: {names}." if silent else OK

    def _ask_point_store(self) -> str:
        # Of the embedded store these are names of folders: nobody's lock is waited for.
        self._services.store.list_collections()
        return OK
