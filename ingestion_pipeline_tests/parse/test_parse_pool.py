"""The pool over real worker processes: what hangs or dies costs one file, and nobody is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.parse import pool as pool_module
from ingestion_pipeline.parse.limits import DEFAULT_LIMITS, ParseLimits
from ingestion_pipeline.parse.pool import ParsePool
from ingestion_pipeline.parse.results import ParsedFile
from ingestion_pipeline.parse.worker_process import WorkerStartError
from ingestion_pipeline_tests.parse.hostile_parse import convert, obey

PROGRAM = Path(__file__).parent / "pool_program.py"
SHORT = ParseLimits(timeout_seconds=0.3)


def make_files(*contents: bytes) -> list[SourceFile]:
    return [SourceFile(f"{n}.txt", f"sha{n}", content) for n, content in enumerate(contents)]


def parse(
    files: Iterable[SourceFile], limits: ParseLimits = DEFAULT_LIMITS, workers: int = 1
) -> dict[str, ParsedFile | SkippedFile]:
    """Return the results by path; one for each file."""
    with ParsePool(workers, convert, limits, obey) as pool:
        results = list(pool.parse(files))
    by_path = {result.path: result for result in results}
    assert len(by_path) == len(results)
    return by_path


def get_reasons(results: dict[str, ParsedFile | SkippedFile]) -> dict[str, str]:
    return {p: r.reason for p, r in results.items() if isinstance(r, SkippedFile)}


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pids: Iterable[int], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    for pid in pids:
        while is_alive(pid):
            assert time.monotonic() < deadline, f"process {pid} is still there"
            time.sleep(0.02)


def test_every_file_has_one_result_and_workers_import_nothing_heavy(monkeypatch):
    monkeypatch.setattr(pool_module, "CHUNK_FILES", 3)
    files = make_files(*[b"x"] * 40, b"skip")

    results = parse(files, workers=2)

    assert set(results) == {file.path for file in files}
    assert results.pop("40.txt") == SkippedFile("40.txt", "sha40", "binary")
    workers: set[int] = set()
    for path, result in results.items():
        assert isinstance(result, ParsedFile)
        assert result.structure == path.encode()
        told = json.loads(result.text)
        assert told["heavy"] == []
        workers.add(told["pid"])
    assert os.getpid() not in workers
    # Ended and waited for, when the pool's block ends.
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_workers_work_at_the_same_time(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(pool_module, "CHUNK_FILES", 1)
    meeting = tmp_path / "meeting"
    os.mkfifo(meeting)  # opening one end waits for the other
    words = [word + os.fsencode(meeting) for word in (b"wait-for-reader ", b"wait-for-writer ")]

    results = parse(make_files(*words, b"x"), workers=2)

    pids = {json.loads(r.text)["pid"] for r in results.values() if isinstance(r, ParsedFile)}
    assert len(pids) == 2


def test_no_file_is_no_work():
    assert parse([]) == {}


@pytest.mark.parametrize("word", [b"hang", b"hang-without-alarm"])
def test_a_file_that_hangs_is_killed_and_the_others_are_parsed(word: bytes):
    results = parse(make_files(b"x", b"x", word, b"x", b"x"), SHORT)

    assert len(results) == 5
    assert get_reasons(results) == {"2.txt": "parser failed: TimeoutError"}


@pytest.mark.parametrize("word", [b"crash", b"exit"])
def test_a_file_that_kills_the_worker_is_skipped_and_the_others_are_parsed(word: bytes):
    results = parse(make_files(word, b"x", word, b"x", word))

    assert len(results) == 5
    assert get_reasons(results) == {f"{n}.txt": "parser failed: WorkerDied" for n in (0, 2, 4)}


def test_a_file_that_met_a_dying_worker_gets_another_try(tmp_path: Path):
    marker = os.fsencode(tmp_path / "crashed")

    results = parse(make_files(b"x", b"crash-once " + marker, b"x"))

    assert get_reasons(results) == {}
    assert len(results) == 3


def test_memory_over_the_limit_is_a_reason():
    results = parse(make_files(b"x", b"eat-memory", b"x"))

    assert get_reasons(results) == {"1.txt": "parser failed: MemoryError"}


def test_what_raises_is_a_reason():
    results = parse([*make_files(b"raise", b"x"), SourceFile("convert-fails", "", b"x")])

    assert get_reasons(results) == {
        "0.txt": "parser failed: KeyError",
        "convert-fails": "parser failed: ValueError",
    }


def test_files_are_read_a_few_chunks_ahead_and_no_further(monkeypatch):
    monkeypatch.setattr(pool_module, "CHUNK_BYTES", 1_000)
    monkeypatch.setattr(pool_module, "_RESULTS_AHEAD", 2)
    taken = 0

    def stream() -> Iterator[SourceFile]:
        nonlocal taken
        for file in make_files(*[b"x" * 500] * 200):
            taken += 1
            yield file

    with ParsePool(2, convert, DEFAULT_LIMITS, obey) as pool:
        for done, _ in enumerate(pool.parse(stream()), start=1):
            # Four chunks of two files, and one whose end was not told yet.
            assert taken - done <= 10
    assert taken == 200


def test_a_pool_serves_again_and_not_after_it_was_left_in_the_middle(monkeypatch):
    monkeypatch.setattr(pool_module, "_RESULTS_AHEAD", 1)
    with ParsePool(1, convert, DEFAULT_LIMITS, obey) as pool:
        assert len(list(pool.parse(make_files(b"x")))) == 1
        assert len(list(pool.parse(make_files(b"x", b"y")))) == 2
        next(pool.parse(make_files(*[b"x"] * 20)))
        with pytest.raises(RuntimeError, match="make a new one"):
            list(pool.parse(make_files(b"x")))


def test_an_error_of_the_source_comes_through_and_ends_the_workers():
    def broken() -> Iterator[SourceFile]:
        yield from make_files(b"hang")
        raise OSError("the mirror is gone")

    with pytest.raises(OSError, match="the mirror is gone"):
        parse(broken())


def test_a_worker_that_cannot_start_blames_no_file(monkeypatch, capfd):
    nowhere = ModuleType("nowhere")
    exec("def convert(facts): return b'', b''", vars(nowhere))
    monkeypatch.setitem(sys.modules, "nowhere", nowhere)

    with ParsePool(1, nowhere.convert) as pool, pytest.raises(WorkerStartError, match="not start"):
        list(pool.parse(make_files(b"x")))

    assert "No module named 'nowhere'" in capfd.readouterr().err


def test_a_pool_has_a_worker():
    with pytest.raises(ValueError, match="at least one"):
        ParsePool(0, convert)


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with a pool of one worker, and that worker's pid."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("program", ["hang", "idle"], indirect=True)
def test_workers_end_with_a_parent_that_is_killed(program: tuple[subprocess.Popen[str], int]):
    process, worker = program

    process.kill()

    wait_until_gone([worker])


@pytest.mark.parametrize("program", ["hang"], indirect=True)
def test_ctrl_c_ends_the_workers_and_says_nothing_else(
    program: tuple[subprocess.Popen[str], int],
):
    process, worker = program

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    wait_until_gone([worker])
