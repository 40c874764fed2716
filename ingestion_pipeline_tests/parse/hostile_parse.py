"""Stand-ins for ``parse_file`` and ``convert`` that do what a file's first word says."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ingestion_pipeline.core.code import FileFacts, SkippedFile, SourceFile
from ingestion_pipeline.parse.limits import ParseLimits


def obey(file: SourceFile, limits: ParseLimits) -> FileFacts | SkippedFile:
    """Do what the content says; facts of one line for any other content."""
    word = file.content.split(b" ")[0].decode()
    if word == "skip":
        return SkippedFile(file.path, file.blob_sha, "binary")
    if word in DEEDS:
        DEEDS[word](file, limits)
    return FileFacts(file.path, file.blob_sha, "text", len(file.content), 1)


def hang(*_: object) -> None:
    time.sleep(3600)


def hang_without_alarm(*_: object) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(3600)


def fail(file: SourceFile, _: ParseLimits) -> None:
    raise KeyError(file.path)


DEEDS: dict[str, Callable[[SourceFile, ParseLimits], object]] = {
    "hang": hang,
    "hang-without-alarm": hang_without_alarm,
    "crash": lambda *_: os.kill(os.getpid(), signal.SIGSEGV),
    "exit": lambda *_: os._exit(3),
    "crash-once": lambda file, _: crash_unless_there(read_path(file)),
    "wait-for-reader": lambda file, _: read_path(file).open("wb").close(),
    "wait-for-writer": lambda file, _: read_path(file).open("rb").close(),
    "eat-memory": lambda _, limits: bytearray(limits.max_memory_bytes),
    "raise": fail,
}


def read_path(file: SourceFile) -> Path:
    """Return the path behind the first word."""
    return Path(os.fsdecode(file.content.split(b" ", 1)[1]))


def crash_unless_there(marker: Path) -> None:
    """Crash if the file ``marker`` is not there, and make it."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def convert(facts: FileFacts) -> tuple[bytes, bytes]:
    """Return the path, and the worker's pid and heavy modules."""
    if facts.path == "convert-fails":
        raise ValueError
    heavy = [name for name in ("torch", "dagster", "pandas", "pyarrow") if name in sys.modules]
    return facts.path.encode(), json.dumps({"pid": os.getpid(), "heavy": heavy}).encode()
