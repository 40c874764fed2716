"""Eight changed files against everything: the work inside the run, and the whole run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import make_corpus, make_delta
from benchmarks.home import temporary_folder
from benchmarks.measure import Finished, Series
from benchmarks.report import Section, Table
from benchmarks.run_events import RunTimes
from benchmarks.tracked_corpus import TrackedCorpus

SIZES = (1_000, 10_000)
QUICK_SIZES = (60,)
CHANGED = 8
_ROUNDS = {60: 1, 1_000: 5, 10_000: 2}
_STAGES = ("clone", "parse", "embed", "upsert")
_COUNTS = (
    "files_parsed",
    "points_embedded",
    "points_added",
    "points_changed",
    "points_deleted",
    "points_unchanged",
    "commits_pulled",
)
_NOTHING, _AGAIN = "from nothing", "`--full-reindex`"
_SAME, _DELTA = "head unchanged, `--force`", f"{CHANGED} files changed"


@dataclass(frozen=True, slots=True)
class _Round:
    """One home: its first index and what followed.

    Args:
        runs: Name → run.
        check: ``sync`` of what is up to date, which starts no run.
        dry_run: ``sync --dry-run`` of another such change.
    """

    runs: dict[str, RunTimes]
    check: Finished
    dry_run: Finished


def measure(*, quick: bool, sizes: Sequence[int] = ()) -> Section:
    """Index, change, sync: in homes of their own, on one repository a size."""
    rounds: dict[int, list[_Round]] = {}
    for count in sizes or (QUICK_SIZES if quick else SIZES):
        with temporary_folder() as folder:
            rounds[count] = _measure_size(folder, count, 1 if quick else _ROUNDS.get(count, 1))
    tables = [
        make(count, done)
        for count, done in rounds.items()
        for make in (_make_time_table, _make_count_table)
    ]
    return Section(
        name="delta",
        title="A change of eight files against a full index",
        method=(
            "Repositories of installed source with 40 commits of history, indexed by "
            "`ingestion-pipeline sync` in a clean home, each run a process. Then nothing, then a "
            f"commit that changes {CHANGED} files (3 modified, 1 shrunk, 2 deleted, 1 moved, "
            "1 added), then everything anew with `--full-reindex`. *work*: what the four stages "
            "say that they took, without Dagster, imports of the program and asset checks. *wall*: "
            "the process from start to exit. Ratios are taken within one home."
        ),
        figures=tuple(figure for item in rounds.items() for figure in _list_figures(*item)),
        tables=tuple(tables),
    )


def _measure_size(folder: Path, count: int, rounds: int) -> list[_Round]:
    corpus = make_corpus(folder / "corpus", count)
    done: list[_Round] = []
    for number in range(rounds):
        tracked = TrackedCorpus(corpus, folder / f"home-{number}")
        runs = {_NOTHING: tracked.sync().run}
        check = tracked.check()
        runs[_SAME] = tracked.sync("--force").run
        make_delta(corpus, CHANGED, seed=2 * number)
        runs[_DELTA] = tracked.sync().run
        runs[_AGAIN] = tracked.sync("--full-reindex").run
        # Last, because it fetches, and a sync after it would have nothing left to fetch.
        make_delta(corpus, CHANGED, seed=2 * number + 1)
        dry_run = tracked.check("--dry-run")
        done.append(_Round(runs, check, dry_run))
    return done


def _series(rounds: Sequence[_Round], name: str, read: Callable[[RunTimes], float]) -> Series:
    return Series.of([read(done.runs[name]) for done in rounds])


def _read_work(run: RunTimes) -> float:
    return run.work


def _read_wall(run: RunTimes) -> float:
    return run.total


def _list_figures(count: int, rounds: Sequence[_Round]) -> list[tuple[str, str]]:
    work = {name: _series(rounds, name, _read_work) for name in rounds[0].runs}
    wall = {name: _series(rounds, name, _read_wall) for name in rounds[0].runs}
    label = f"{CHANGED} changed of {count:,} files"
    return [
        (f"{label}, work", work[_DELTA].show()),
        ("… a first full index to it, work", work[_NOTHING].over(work[_DELTA]).show_ratio()),
        ("… `--full-reindex` to it, work", work[_AGAIN].over(work[_DELTA]).show_ratio()),
        ("… a first full index to it, wall", wall[_NOTHING].over(wall[_DELTA]).show_ratio()),
        (f"Unchanged head of {count:,} files, work", work[_SAME].show()),
    ]


def _make_time_table(count: int, rounds: Sequence[_Round]) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in (_NOTHING, _AGAIN, _DELTA, _SAME):
        stages = [
            _series(rounds, name, lambda run, stage=stage: run.stages[stage]) for stage in _STAGES
        ]
        cells = (_series(rounds, name, _read_wall), _series(rounds, name, _read_work), *stages)
        rows.append((name, *(series.show() for series in cells)))
    check = Series.of([done.check.seconds for done in rounds])
    dry_run = Series.of([done.dry_run.seconds for done in rounds])
    rows.append(("up to date, no run", check.show(), *[""] * (1 + len(_STAGES))))
    rows.append(("`--dry-run` of a change", dry_run.show(), *[""] * (1 + len(_STAGES))))
    return Table((f"{count:,} files", "wall", "work", *_STAGES), tuple(rows))


def _make_count_table(count: int, rounds: Sequence[_Round]) -> Table:
    rows = [
        (name, *(_show_count(rounds[0].runs[name], column) for column in _COUNTS))
        for name in (_NOTHING, _AGAIN, _DELTA, _SAME)
    ]
    names = (name.replace("_", " ") for name in _COUNTS)
    return Table((f"{count:,} files", *names), tuple(rows))


def _show_count(run: RunTimes, name: str) -> str:
    value = run.metadata.get(name)
    return "" if value is None else f"{value:,.0f}"
