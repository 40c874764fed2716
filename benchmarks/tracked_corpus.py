"""A corpus tracked in a home of its own, and its syncs as users start them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import Corpus
from benchmarks.home import Home, inside, make_home
from benchmarks.measure import Finished, run_process
from benchmarks.memory import MemoryWatch, watch_memory
from benchmarks.run_events import RunTimes, read_run_times, read_step_spans
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.settings import load_settings

_SYNC_SECONDS = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Sync:
    """One run, a process of its own.

    Args:
        run: Where its time went, and all numbers of its materialization.
        memory: Of all its processes.
        spans: Op → when it began and ended, seconds since the epoch.
    """

    run: RunTimes
    memory: MemoryWatch
    spans: Mapping[str, tuple[float, float]]


class TrackedCorpus:
    """A repository that is tracked and, at first, never indexed.

    Args:
        corpus: The repository.
        folder: Where its home is made; must not exist.
    """

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self.corpus = corpus
        self.home: Home = make_home(folder)
        self.partition = self._run("track", "--path", corpus.repository.path).output.split()[1]

    def sync(self, *options: str) -> Sync:
        """Index the head, in one process.

        Raises:
            RuntimeError: It failed, or it found nothing to run.
        """
        before = self.count_runs()
        with watch_memory() as memory:
            finished = self._run("sync", self.partition, *options)
        if self.count_runs() != before + 1:
            raise RuntimeError(f"No run, or more than one:\n{finished.output}")
        return Sync(read_run_times(self.home, finished), memory, read_step_spans(self.home))

    def use_encoder(self, version: str) -> None:
        """Choose the encoder of this home."""
        self._run("encoder", "use", version)

    def check(self, *options: str) -> Finished:
        """Run ``sync`` where it starts no run.

        Raises:
            RuntimeError: It failed, or it started one.
        """
        before = self.count_runs()
        finished = self._run("sync", self.partition, *options)
        if self.count_runs() != before:
            raise RuntimeError(f"`sync {' '.join(options)}` started a run:\n{finished.output}")
        return finished

    def count_runs(self) -> int:
        """Return how many runs the home has seen."""
        with inside(self.home.environment), open_instance(load_settings()) as instance:
            return instance.get_runs_count()

    def _run(self, *arguments: str | Path) -> Finished:
        return run_process(
            Path(sys.executable).parent / "ingestion-pipeline",
            *arguments,
            environment=self.home.environment,
            folder=self.home.folder,
            timeout_seconds=_SYNC_SECONDS,
        )
