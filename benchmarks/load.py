"""What loading the code location costs, and what importing torch with it would."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.home import Home, make_home, temporary_folder
from benchmarks.measure import Finished, Series, interleave, run_python
from benchmarks.report import Section, Table

_BARE = "pass"
_DAGSTER = "import dagster"
_DEFINITIONS = "import ingestion_pipeline.definitions"
_SHOW = "import sys; print([n for n in ('torch', 'torch_geometric') if n in sys.modules])"
_VARIANTS = {
    "bare interpreter": _BARE,
    "`import dagster`": _DAGSTER,
    "the code location": _DEFINITIONS,
    "the code location, torch and PyG": f"{_DEFINITIONS}; import torch; import torch_geometric",
}


def measure(*, quick: bool) -> Section:
    """Import in fresh processes, in turn."""
    rounds = 1 if quick else 7
    with temporary_folder() as folder:
        home = make_home(folder / "home")
        runs = interleave(
            rounds,
            {name: _make_action(code, home, folder) for name, code in _VARIANTS.items()},
            warm_up=not quick,
        )
    loaded = runs["the code location"][0].output.strip()
    if loaded != "[]":
        raise RuntimeError(f"The code location imports {loaded} at module level.")
    seconds = {name: Series.of([run.seconds for run in done]) for name, done in runs.items()}
    cpu = {name: Series.of([run.cpu_seconds for run in done]) for name, done in runs.items()}
    peaks = {name: Series.of([run.peak_mib for run in done]) for name, done in runs.items()}
    bare_cpu, our_cpu, heavy_cpu = (cpu[name] for name in list(_VARIANTS)[1:])
    ours = seconds["the code location"]
    rows = tuple(
        (
            name,
            seconds[name].show(),
            cpu[name].show(),
            cpu[name].over(bare_cpu).show_ratio(),
            peaks[name].show("MiB", 0),
        )
        for name in _VARIANTS
    )
    return Section(
        name="load",
        title="Loading the code location",
        method="Fresh processes that import and end, in turn. From start to exit.",
        figures=(
            (
                "Loading the code location, torch not imported",
                f"{ours.show()}, {our_cpu.over(bare_cpu).show_ratio()} the CPU of `import dagster`",
            ),
            ("… with torch and PyG imported", f"{heavy_cpu.over(our_cpu).show_ratio()} that CPU"),
        ),
        tables=(
            Table(
                ("process", "wall time", "CPU time", "CPU to `import dagster`", "peak memory"), rows
            ),
        ),
        remarks=(
            f"Of torch and PyG, `sys.modules` held after loading the code location: `{loaded}`.",
        ),
    )


def _make_action(code: str, home: Home, folder: Path) -> Callable[[], Finished]:
    def run() -> Finished:
        return run_python(f"{code}; {_SHOW}", environment=home.environment, folder=folder)

    return run
