"""``python -m benchmarks [name …] [--quick] [--out FILE]``."""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from benchmarks.machine import describe_load, describe_machine
from benchmarks.report import Section, update_file

NAMES = (
    "load",
    "run_overhead",
    "first_run",
    "delta",
    "cold_index",
    "encoders",
    "extraction",
    "peers",
    "fleet",
    "search",
    "sensor",
    "http_door",
    "progress",
    "peak_memory",
)
SIZED = ("delta", "cold_index", "encoders")


def main() -> None:
    """Measure, print Markdown, and write it to a file when one is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="smallest sizes, one repetition")
    sizes = f"files of a repository, for {' and '.join(SIZED)}: --sizes 1000,100000"
    parser.add_argument("--sizes", type=_read_sizes, default=(), help=sizes)
    parser.add_argument("--out", type=Path, help="Markdown file to write the sections into")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.sizes and not set(options.names or NAMES) <= set(SIZED):
        parser.error(f"--sizes is only for {' and '.join(SIZED)}; name one of them")
    # Users have byte code on disk; without this, every process would compile our sources anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in options.names or NAMES:
        before = describe_load()
        section = _measure_apart(name, quick=options.quick, sizes=options.sizes)
        text = section.render(_describe(name, before, quick=options.quick, sizes=options.sizes))
        print(text, flush=True)
        if options.out is not None:
            update_file(options.out, {name: text}, NAMES)


def _read_sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part.replace("_", "")) for part in text.split(","))


def _measure_apart(name: str, *, quick: bool, sizes: tuple[int, ...]) -> Section:
    """Run one benchmark in a fresh process, so that none finds what another left in memory."""
    given = {"sizes": sizes} if sizes else {}
    measure = import_module(f"benchmarks.{name}").measure
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(measure, quick=quick, **given).result()


def _describe(name: str, load_before: str, *, quick: bool, sizes: tuple[int, ...]) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    command = f"python -m benchmarks {name}{' --quick' if quick else ''}"
    if sizes:
        command += f" --sizes {','.join(map(str, sizes))}"
    load = f"load average {load_before} before and {describe_load()} after"
    return f"{now}, `{command}`, {load}; {describe_machine()}."


if __name__ == "__main__":
    main()
