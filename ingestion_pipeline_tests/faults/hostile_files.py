"""Files at which the parser hangs or dies, in real workers, and every other file parsed as ever."""

import os
import signal
import time
from collections.abc import Iterable, Iterator

from ingestion_pipeline.core.code import FileFacts, SkippedFile, SourceFile
from ingestion_pipeline.indexing.encoding import encode_facts
from ingestion_pipeline.parse import ParsedFile
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.parse.limits import ParseLimits
from ingestion_pipeline.parse.pool import ParsePool

HANGING = "def hang():\n    return 'what a parser hangs at'\n"
DEADLY = "def die():\n    return 'what a parser dies of'\n"
LIMITS = ParseLimits(max_file_bytes=1024 * 1024, timeout_seconds=1.0)


def parse_or_suffer(file: SourceFile, limits: ParseLimits) -> FileFacts | SkippedFile:
    """Hang, die, or parse."""
    if file.content == HANGING.encode():
        time.sleep(3600)
    if file.content == DEADLY.encode():
        os.kill(os.getpid(), signal.SIGSEGV)
    return parse_file(file, limits)


def parse_in_hostile_workers(files: Iterable[SourceFile]) -> Iterator[ParsedFile | SkippedFile]:
    """Parse as a run does, in a worker that suffers."""
    with ParsePool(1, encode_facts, LIMITS, parse_or_suffer) as pool:
        yield from pool.parse(files)
