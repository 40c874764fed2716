"""The overhead of a run around the work, split."""

from pathlib import Path

from benchmarks import bare_dagster
from benchmarks.generated_code import generate_files
from benchmarks.home import Home, make_home, temporary_folder
from benchmarks.measure import Finished, Series, interleave, read_last_json, run_program, run_python
from benchmarks.report import Section, Table
from benchmarks.run_events import RunTimes, read_run_times
from ingestion_pipeline_tests.git_repositories import GitRepository

_FILES = 10
_UNCHANGED = "nothing changed"
_CHANGED = "one file changed"
_BARE = "Dagster alone, four ops that do nothing"
_PARTS = ("start", "dagster", "checks", "work", "exit")
_STAGES = ("clone", "parse", "embed", "upsert")
# What the embed op imports and loads before it can encode anything, in a process of its own that
# has loaded everything else.
_TORCH = """
import json, time
import ingestion_pipeline.definitions
from ingestion_pipeline.embed import load_encoder
a = time.perf_counter()
import torch
b = time.perf_counter()
load_encoder("auto")
c = time.perf_counter()
print(json.dumps({"torch": b - a, "encoder": c - b}))
"""


class _World:
    """A tiny local repository, tracked in a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = make_home(folder / "home")
        self._bare_home = make_home(folder / "bare-home")
        self._repository = GitRepository(folder / "tiny", dict(generate_files(_FILES)), bare=False)
        self._changes = 0
        done = self._run("ingestion-pipeline", "track", "--path", folder / "tiny")
        self.partition = done.output.split()[1]

    def materialize(self) -> RunTimes:
        """Run the partition as a user does, at whatever its head is."""
        finished = self._materialize(
            "repository_points", self.partition, "ingestion_pipeline.definitions"
        )
        return read_run_times(self.home, finished)

    def change_and_materialize(self) -> RunTimes:
        """Commit to one file and run the partition."""
        self._changes += 1
        code = f"def added_{self._changes}(order):\n    return order\n"
        self._repository.commit({"package_0/added.py": code})
        return self.materialize()

    def materialize_nothing(self) -> RunTimes:
        """Run the yardstick."""
        finished = self._materialize(
            "nothing", bare_dagster.PARTITION, bare_dagster.__name__, self._bare_home
        )
        return read_run_times(self._bare_home, finished)

    def load_torch(self) -> dict[str, float]:
        """Import torch and load the encoder after everything else."""
        environment = self.home.environment
        return read_last_json(run_python(_TORCH, environment=environment, folder=self.folder))

    def _materialize(
        self, asset: str, partition: str, module: str, home: Home | None = None
    ) -> Finished:
        select = ("--select", asset, "--partition", partition, "-m", module)
        return self._run("dagster", "asset", "materialize", *select, home=home)

    def _run(self, name: str, *arguments: str | Path, home: Home | None = None) -> Finished:
        home = home or self.home
        return run_program(name, *arguments, environment=home.environment, folder=home.folder)


def measure(*, quick: bool) -> Section:
    """Materialize in fresh processes, in turn."""
    rounds = 1 if quick else 5
    with temporary_folder() as folder:
        world = _World(folder)
        first = world.materialize()
        actions = {
            _BARE: world.materialize_nothing,
            _UNCHANGED: world.materialize,
            _CHANGED: world.change_and_materialize,
        }
        if quick:
            del actions[_BARE]
        runs = interleave(rounds, actions, warm_up=False)
        torch = interleave(rounds, {"torch": world.load_torch}, warm_up=False)["torch"]
    return _make_section(first, runs, torch)


def _make_section(
    first: RunTimes, runs: dict[str, list[RunTimes]], torch: list[dict[str, float]]
) -> Section:
    parts = [
        (name, *(_series(done, part).show() for part in ("cpu", "total", *_PARTS)))
        for name, done in runs.items()
    ]
    stages = [
        (name, *(Series.of([run.stages[stage] for run in done]).show() for stage in _STAGES))
        for name, done in runs.items()
        if name != _BARE
    ]
    imports = tuple(
        Series.of([loaded[name] for loaded in torch]).show() for name in ("torch", "encoder")
    )
    unchanged, changed = _series(runs[_UNCHANGED], "total"), _series(runs[_CHANGED], "total")
    figures = [
        ("A run of a partition where nothing changed", unchanged.show()),
        (f"A run of a repository of {_FILES} files, one changed", changed.show()),
        (
            "… of which our own work, `import torch` included",
            _series(runs[_CHANGED], "work").over(changed).show_ratio(),
        ),
    ]
    if _BARE in runs:
        ratio = _series(runs[_UNCHANGED], "cpu").over(_series(runs[_BARE], "cpu"))
        figures.append(("A run where nothing changed, CPU to Dagster alone", ratio.show_ratio()))
    return Section(
        name="run_overhead",
        title="A run around its work",
        method=(
            "`dagster asset materialize` in a fresh process, as users launch it, on a local "
            f"repository of {_FILES} small files; in turn, every run a process. *start*: the "
            "interpreter, imports, definitions and the plan, until the run's first event. "
            "*Dagster*: resources, events, and op outputs to and from disk. *checks*: the three "
            "asset checks. *work*: what our functions say that they took. They add up to *wall*."
        ),
        figures=tuple(figures),
        tables=(
            Table(
                ("run", "CPU", "wall", "start", "Dagster", "checks", "work", "exit"), tuple(parts)
            ),
            Table(("work of a run", *_STAGES), tuple(stages)),
            Table(
                ("inside embed, in a process of its own", "`import torch`", "load the encoder"),
                (("after loading the code location", *imports),),
            ),
        ),
        remarks=(
            f"The repository's first run: {first.total:.2f} s, {first.work:.2f} s of it work.",
        ),
    )


def _series(runs: list[RunTimes], part: str) -> Series:
    return Series.of([getattr(run, part) for run in runs])
