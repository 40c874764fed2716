"""A first index of ever larger repositories: time by stage, peak memory, and a change on top."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import make_corpus, make_delta
from benchmarks.home import temporary_folder
from benchmarks.measure import show_times
from benchmarks.report import Section, Table
from benchmarks.run_events import OPS
from benchmarks.tracked_corpus import Sync, TrackedCorpus

SIZES = (1_000, 10_000, 50_000, 100_000)
QUICK_SIZES = (1_000,)
CHANGED = 8
_MEBIBYTE, _GIBIBYTE_OF_MIB = 1024 * 1024, 1024
_STAGES = ("clone", "parse", "embed", "upsert")


@dataclass(frozen=True, slots=True)
class _Measured:
    """One repository: its first index and the change after it."""

    count: int
    size_bytes: int
    cold: Sync
    delta: Sync

    @property
    def label(self) -> str:
        return f"{self.count:,} files"


def measure(*, quick: bool, sizes: Sequence[int] = ()) -> Section:
    """Index one repository a size, each in a home of its own."""
    done: list[_Measured] = []
    for count in sizes or (QUICK_SIZES if quick else SIZES):
        with temporary_folder() as folder:
            done.append(_measure_size(folder, count))
    return Section(
        name="cold_index",
        title="A first index, from small to large",
        method=(
            "Repositories of installed source with 40 commits of history, each indexed once by "
            "`ingestion-pipeline sync` in a clean home; beyond what is installed, the source "
            "stands there in several editions, with other names and never the same blob twice. "
            f"Then a commit that changes {CHANGED} files, and a sync of it. *work*: the four "
            "stages. Memory: of all processes of the run together, sampled five times a second; "
            "*resident* counts pages that processes share once for each, *anonymous* leaves out "
            "what stands in files and can be dropped. One run each."
        ),
        figures=tuple(figure for item in done for figure in _list_figures(item)) + _compare(done),
        tables=(_make_time_table(done), _make_memory_table(done), _make_delta_table(done)),
    )


def _measure_size(folder: Path, count: int) -> _Measured:
    corpus = make_corpus(folder / "corpus", count)
    tracked = TrackedCorpus(corpus, folder / "home")
    cold = tracked.sync()
    make_delta(corpus, CHANGED)
    return _Measured(count, corpus.size_bytes, cold, tracked.sync())


def _list_figures(item: _Measured) -> list[tuple[str, str]]:
    peak = item.cold.memory.peak()
    return [
        (
            f"First index of {item.label}",
            f"{item.cold.run.work:,.1f} s of work, {_show_gib(peak.resident_mib)} at its peak",
        ),
        (f"… then {CHANGED} changed files", f"{item.delta.run.work:,.2f} s of work"),
    ]


def _compare(done: Sequence[_Measured]) -> tuple[tuple[str, str], ...]:
    """Say how memory grows between the two largest."""
    if len(done) < 2:
        return ()
    smaller, larger = done[-2:]
    peaks = [item.cold.memory.peak().resident_mib for item in (smaller, larger)]
    label = f"Peak memory, {larger.label} to {smaller.count:,}"
    return ((label, show_times(peaks[1] / peaks[0])),)


def _make_time_table(done: Sequence[_Measured]) -> Table:
    rows = [
        (
            item.label,
            f"{item.size_bytes / _MEBIBYTE:,.0f} MiB",
            f"{item.cold.run.metadata['points']:,.0f}",
            f"{item.cold.run.total:,.1f} s",
            f"{item.cold.run.work:,.1f} s",
            *(f"{item.cold.run.stages[stage]:,.1f} s" for stage in _STAGES),
            f"{item.count / item.cold.run.work:,.0f}",
        )
        for item in done
    ]
    columns = ("first index", "content", "points", "wall", "work", *_STAGES, "files a second")
    return Table(columns, tuple(rows))


def _make_memory_table(done: Sequence[_Measured]) -> Table:
    rows: list[tuple[str, ...]] = []
    for item in done:
        memory = item.cold.memory
        stages = [memory.peak_in(item.cold.spans[op]).resident_mib for op in OPS]
        rows.append(
            (
                item.label,
                _show_gib(memory.peak().resident_mib),
                _show_gib(memory.peak_anonymous_mib()),
                f"{memory.peak().processes}",
                *map(_show_gib, stages),
            )
        )
    columns = ("peak memory", "resident", "anonymous", "processes", *_STAGES)
    return Table(columns, tuple(rows))


def _make_delta_table(done: Sequence[_Measured]) -> Table:
    rows = [
        (
            item.label,
            f"{item.delta.run.total:,.1f} s",
            f"{item.delta.run.work:,.2f} s",
            *(f"{item.delta.run.stages[stage]:,.2f} s" for stage in _STAGES),
            show_times(item.cold.run.work / item.delta.run.work),
            _show_gib(item.delta.memory.peak().resident_mib),
        )
        for item in done
    ]
    first = f"{CHANGED} files changed of"
    columns = (first, "wall", "work", *_STAGES, "first index to it, work", "peak memory")
    return Table(columns, tuple(rows))


def _show_gib(mib: float) -> str:
    return f"{mib / _GIBIBYTE_OF_MIB:.2f} GiB"
