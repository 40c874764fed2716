"""Peak memory of a first run over generated repositories: does it grow with their bytes?"""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.generated_code import generate_files
from benchmarks.home import make_home, temporary_folder
from benchmarks.measure import Finished, run_program, show_times
from benchmarks.report import Section, Table
from benchmarks.run_events import RunTimes, read_run_times
from ingestion_pipeline_tests.git_repositories import GitRepository

_MEBIBYTE = 1024 * 1024
SIZES = (20, 500, 5_000)
QUICK_SIZES = (5, 20)


@dataclass(frozen=True, slots=True)
class _Measured:
    """One repository of ``count`` files, indexed from nothing in one process."""

    count: int
    size_bytes: int
    finished: Finished
    run: RunTimes

    def compare(self, other: "_Measured") -> str:
        """Return the ratio of the peaks."""
        return show_times(self.finished.peak_mib / other.finished.peak_mib)


def measure(*, quick: bool) -> Section:
    """Index one repository of every size, each in a home of its own."""
    done: list[_Measured] = []
    for count in QUICK_SIZES if quick else SIZES:
        with temporary_folder() as folder:
            done.append(_index(folder, count))
    small, large = done[0], done[-1]
    growth = (large.finished.peak_mib - small.finished.peak_mib) * 1024
    points = large.run.metadata["points"] - small.run.metadata["points"]
    return Section(
        name="peak_memory",
        title="Peak memory of a run",
        method=(
            "`ingestion-pipeline run` on generated Python repositories, each from nothing in one "
            "process. Peak resident memory of that process, one run each."
        ),
        figures=(
            (
                f"Peak memory of a run over {large.count:,} files",
                f"{large.finished.peak_mib:,.0f} MiB, {large.compare(small)} that of {small.count}",
            ),
        ),
        tables=(
            Table(
                ("files", "content", "points", "peak memory", "to the smallest", "seconds"),
                tuple(_make_row(item, small) for item in done),
            ),
        ),
        remarks=(f"From the smallest to the largest: {growth / points:.1f} KiB more a point.",),
    )


def _index(folder: Path, count: int) -> _Measured:
    home = make_home(folder / "home")
    files = dict(generate_files(count))
    GitRepository(folder / "generated", files, bare=False)
    finished = run_program(
        *("ingestion-pipeline", "run", folder / "generated"),
        environment=home.environment,
        folder=home.folder,
    )
    size_bytes = sum(len(content.encode()) for content in files.values())
    return _Measured(count, size_bytes, finished, read_run_times(home, finished))


def _make_row(item: _Measured, small: _Measured) -> tuple[str, ...]:
    return (
        f"{item.count:,}",
        f"{item.size_bytes / _MEBIBYTE:.1f} MiB",
        f"{item.run.metadata['points']:,.0f}",
        f"{item.finished.peak_mib:,.0f} MiB",
        item.compare(small),
        f"{item.finished.seconds:.1f} s",
    )
