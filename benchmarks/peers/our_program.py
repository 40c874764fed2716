"""Our own sync of one local repository, with the arguments of the peers' programs.

``python -m benchmarks.peers.our_program REPOSITORY HOME JOURNAL [--die-at N] [--dump FILE]``. The
run goes through Dagster in this process, as ``ingestion-pipeline sync --force`` does it. The steps
are the writes to the point store and to the state, before and after each.
"""

import argparse
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.home import inside, make_home
from ingestion_pipeline import composition
from ingestion_pipeline.cli.opening import track_reference
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.orchestration.freshness_check import sync_partitions
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.launch import sync_partition
from ingestion_pipeline.settings import load_settings
from ingestion_pipeline_tests.crashing import STATE_WRITES, STORE_WRITES, CrashingProxy, CrashPlan

# Facts of one sync, and the path, which stands beside the rest.
_LEFT_OUT = frozenset(("commit_sha", "last_pushed_at", "last_indexed_at", "path"))


class _KillPlan(CrashPlan):
    """Notes every write before and after, and kills the process at one of these steps."""

    def __init__(self, journal: Path, die_at: int | None) -> None:
        super().__init__(None, before=True)
        self._file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._die_at = die_at
        self._steps = 0

    def step(self, kind: str, count: int = 1) -> None:
        os.write(self._file, f"{kind} {count}\n".encode())
        if self._steps == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._steps += 1

    def perform(self, write: Any, *args: Any, **kwargs: Any) -> Any:
        self.step(f"before-{write.__name__}")
        result = write(*args, **kwargs)
        self.step(f"after-{write.__name__}")
        return result


def main() -> None:
    """Sync, and write what the store then holds."""
    parser = argparse.ArgumentParser()
    for name in ("repository", "home", "journal"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--die-at", type=int)
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
    if not options.home.exists():
        make_home(options.home)
    plan = _KillPlan(options.journal, options.die_at)
    _watch("build_point_store", plan, STORE_WRITES)
    _watch("open_state_store", plan, STATE_WRITES)
    with inside({**os.environ, "INGESTION_HOME": str(options.home)}):
        contents = _sync(str(options.repository), plan)
        if options.dump is not None:
            options.dump.write_text(json.dumps(contents))


def _watch(name: str, plan: CrashPlan, writes: frozenset[str]) -> None:
    """Put a proxy around what the composition opens under a name."""
    build: Callable[..., Any] = getattr(composition, name)
    setattr(composition, name, lambda *args: CrashingProxy(build(*args), plan, writes))


def _sync(repository: str, plan: _KillPlan) -> list[tuple[str, str]]:
    settings = load_settings()
    with composition.open_services(settings) as services, open_instance(settings) as instance:
        row = track_reference(services, repository, None, local=True)
        sync_partitions(services, instance)
        finished = sync_partition(instance, row.partition_key)
        plan.step("embed", int(str(finished.metadata["points_embedded"])))
        where = PointFilter({"source": str(row.source)})
        points = services.store.scroll(services.collection.name, where)
        return [_describe(point.payload) for point in points]


def _describe(payload: Mapping[str, Any]) -> tuple[str, str]:
    said = {key: value for key, value in payload.items() if key not in _LEFT_OUT}
    return str(payload["path"]), json.dumps(said, sort_keys=True)


if __name__ == "__main__":
    main()
