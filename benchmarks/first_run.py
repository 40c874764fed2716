"""``ingestion-pipeline run`` on this checkout: all of it, again unchanged, and after one change."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.home import ROOT, Home, make_home, temporary_folder
from benchmarks.measure import Series, read_last_json, run_module, run_program
from benchmarks.report import Section, Table
from benchmarks.run_events import RunTimes, read_run_times

_STAGES = ("clone", "parse", "embed", "upsert")
_FULL, _UNCHANGED, _CHANGED = "everything new", "nothing changed", "one file changed"
_CHANGED_FILE = Path("ingestion_pipeline", "core", "terms.py")
_ADDED_CODE = "\n\ndef count_letters(word: str) -> int:\n    return len(word)\n"


@dataclass(frozen=True, slots=True)
class _Round:
    """One clean home: the three runs, and the embed step taken apart."""

    runs: dict[str, RunTimes]
    embed: dict[str, float]


def measure(*, quick: bool) -> Section:
    """Index a clone of this checkout's head, three times in each of several clean homes."""
    rounds = [_measure_round() for _ in range(1 if quick else 3)]
    cpu = {name: _series(rounds, name, "cpu") for name in (_FULL, _UNCHANGED, _CHANGED)}
    total = _series(rounds, _FULL, "total")
    facts = rounds[0].runs[_FULL].metadata
    size = ", ".join(f"{facts[name]:,.0f} {name}" for name in ("files", "symbols", "points"))
    return Section(
        name="first_run",
        title="`make run` on this checkout",
        method=(
            "`ingestion-pipeline run` on a clone of this checkout's head, in a clean home and with "
            "everything installed, which is what `make run` does after `make install`: the program "
            "starts, tracks, runs the partition through Dagster, and searches three samples. Then "
            "again, and again after a commit to one file. "
            f"The checkout: {size}."
        ),
        figures=(
            ("`make run` on this checkout, installed", f"{total.show()} for {size}"),
            ("… again, nothing changed, CPU", cpu[_UNCHANGED].over(cpu[_FULL]).show_ratio()),
            ("… after a change to one file, CPU", cpu[_CHANGED].over(cpu[_FULL]).show_ratio()),
        ),
        tables=(_make_stages_table(rounds), _make_points_table(rounds), _make_embed_table(rounds)),
        remarks=(
            "*rest*: starting, imports, Dagster, the asset checks, the sample search.",
            (
                "The last table: the embed step in a process of its own, the code location loaded. "
                "PyG is imported only by a network with trained layers."
            ),
        ),
    )


def _measure_round() -> _Round:
    with temporary_folder() as folder:
        home, clone = make_home(folder / "home"), folder / "checkout"
        _run_git(folder, "clone", "--quiet", "--no-local", str(ROOT), str(clone))
        runs = {_FULL: _index(home, clone), _UNCHANGED: _index(home, clone)}
        changed = clone / _CHANGED_FILE
        changed.write_text(changed.read_text(encoding="utf-8") + _ADDED_CODE, encoding="utf-8")
        who = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com")
        _run_git(clone, *who, "commit", "--quiet", "--all", "--message", "Change one file")
        runs[_CHANGED] = _index(home, clone)
        stages = run_module(
            "benchmarks.embed_stages", clone, environment=home.environment, folder=folder
        )
        return _Round(runs, read_last_json(stages))


def _index(home: Home, clone: Path) -> RunTimes:
    finished = run_program(
        "ingestion-pipeline", "run", clone, environment=home.environment, folder=home.folder
    )
    return read_run_times(home, finished)


def _run_git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def _series(rounds: list[_Round], name: str, part: str) -> Series:
    return Series.of([getattr(done.runs[name], part) for done in rounds])


def _make_stages_table(rounds: list[_Round]) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in (_FULL, _UNCHANGED, _CHANGED):
        stages = [
            Series.of([done.runs[name].stages[stage] for done in rounds]) for stage in _STAGES
        ]
        total, work = _series(rounds, name, "total"), _series(rounds, name, "work")
        cells = (_series(rounds, name, "cpu"), total, *stages, total.minus(work))
        rows.append((name, *(series.show() for series in cells)))
    return Table(("run", "CPU", "wall", *_STAGES, "rest"), tuple(rows))


def _make_points_table(rounds: list[_Round]) -> Table:
    columns = ("points_added", "points_changed", "points_deleted", "points_unchanged")
    rows = [
        (name, *(f"{rounds[0].runs[name].metadata[column]:,.0f}" for column in columns))
        for name in (_FULL, _UNCHANGED, _CHANGED)
    ]
    names = tuple(column.replace("points_", "points ") for column in columns)
    return Table(("run", *names), tuple(rows))


def _make_embed_table(rounds: list[_Round]) -> Table:
    stages = tuple(rounds[0].embed)
    cells = (Series.of([done.embed[stage] for done in rounds]).show() for stage in stages)
    return Table(("inside embed", "seconds"), tuple(zip(stages, cells, strict=True)))
