"""Stand-ins for ``parse_file`` and ``convert`` that do what a file's first word says."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from ingestion_pipeline.core.code import FileFacts, SkippedFile, SourceFile
from ingestion_pipeline.parse.limits import ParseLimits


def obey(file: SourceFile, limits: ParseLimits) -> FileFacts | SkippedFile:
    """Do what the content says; facts of one line for any other content."""
    word = file.content.split(b" ")[0]
    if word == b"hang":
        time.sleep(3600)
    elif word == b"hang-without-alarm":
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(3600)
    elif word == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif word == b"exit":
        os._exit(3)
    elif word == b"crash-once":
        crash_unless_there(read_path(file))
    elif word == b"wait-for-reader":
        read_path(file).open("wb").close()
    elif word == b"wait-for-writer":
        read_path(file).open("rb").close()
    elif word == b"eat-memory":
        bytearray(limits.max_memory_bytes)
    elif word == b"raise":
        raise KeyError(file.path)
    elif word == b"skip":
        return SkippedFile(file.path, file.blob_sha, "binary")
    return FileFacts(file.path, file.blob_sha, "text", len(file.content), 1)


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
