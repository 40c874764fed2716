"""Processes of the tests' own that use one cache: ``python -m … <what> <path> <number>``.

Each prints a line when it is ready, goes on after a line on its standard input, and prints what
came out as JSON.
"""

import ctypes
import json
import logging
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ingestion_pipeline
from ingestion_pipeline.cache import ContentCache

ROOT = Path(ingestion_pipeline.__file__).parents[1]
BOUND = 64 * 1024 * 1024
KEYS = 3_000
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


def make_key(number: int) -> str:
    return f"key {number}"


def make_value(number: int) -> bytes:
    return number.to_bytes(4) * (1 + number % 700)


@contextmanager
def start_writer(
    what: str,
    path: Path,
    number: int = 0,
    *,
    within: Sequence[str] = (),
    before: Callable[[], None] | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """Start a process; killed at the end if it still runs."""
    command = [sys.executable, "-W", "error", "-m", __name__, what, str(path), str(number)]
    process = subprocess.Popen(
        [*within, *command],
        cwd=ROOT,
        preexec_fn=before,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def obey_permissions() -> None:
    """Give up root's right to write where the mode forbids it; others never had it."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def say_go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def finish(process: "subprocess.Popen[str]") -> tuple[dict[str, int], str]:
    """Return what a process reported and what it logged."""
    said, logged = process.communicate(timeout=120)
    assert process.returncode == 0, logged
    return json.loads(said.strip().splitlines()[-1]), logged


def count_right(found: dict[str, bytes]) -> int:
    """Return how many values were found, all of which have to be right."""
    assert all(value == make_value(int(key.split()[1])) for key, value in found.items())
    return len(found)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _write_for_ever(cache: ContentCache, number: int) -> None:
    """Write batch after batch until somebody ends the process."""
    numbers = range(number, number + KEYS)
    while True:
        cache.put_many((make_key(n), make_value(n)) for n in numbers)
        _tell("written")


def _work(cache: ContentCache, number: int) -> None:
    """Read what is there, write what is not, some rounds long."""
    _tell("ready")
    sys.stdin.readline()
    rounds = 12
    for turn in range(rounds):
        keys = [make_key(n) for n in range((number + turn) * 100, (number + turn) * 100 + KEYS)]
        count_right(cache.get_many(keys))
        missing = cache.find_missing(keys)
        cache.put_many((key, make_value(int(key.split()[1]))) for key in sorted(missing))
    last = [make_key(n) for n in range(KEYS)]
    cache.put_many((key, make_value(int(key.split()[1]))) for key in last)
    _tell(json.dumps({"found": count_right(cache.get_many(last))}))


def _fill(cache: ContentCache, number: int) -> None:
    """Write 20 MB and report what can be read."""
    taken = 0

    def produce() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        for n in range(number, number + 14_000):
            taken += 1
            yield make_key(n), make_value(n)

    cache.put_many(produce())
    keys = [make_key(n) for n in range(number + 14_000)]
    found = count_right(cache.get_many(keys))
    _tell(json.dumps({"taken": taken, "found": found, "missing": len(cache.find_missing(keys))}))


def _fill_small_files(cache: ContentCache, number: int) -> None:
    # What a quota does: a write past the limit fails.
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    _fill(cache, number)


if __name__ == "__main__":
    logging.basicConfig()
    opened = ContentCache(Path(sys.argv[2]), BOUND)
    {
        "write_for_ever": _write_for_ever,
        "work": _work,
        "fill": _fill,
        "fill_small_files": _fill_small_files,
    }[sys.argv[1]](opened, int(sys.argv[3]))
    opened.close()
