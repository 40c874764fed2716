"""A process with a pool that a test kills or interrupts: prints its workers' pids, then waits.

With the argument ``hang`` the workers are stuck on a file at that time, else they are idle.
"""

import json
import sys
from collections.abc import Iterator

from ingestion_pipeline.core.code import SourceFile
from ingestion_pipeline.parse.limits import ParseLimits
from ingestion_pipeline.parse.pool import ParsePool
from ingestion_pipeline.parse.results import ParsedFile
from ingestion_pipeline_tests.parse.hostile_parse import convert, obey


def make_files(stuck: bool) -> Iterator[SourceFile]:
    yield SourceFile("0", "", b"x" * 200_000)
    if stuck:
        yield SourceFile("1", "", b"hang")


def tell(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(stuck: bool) -> None:
    limits = ParseLimits(timeout_seconds=2.0)
    with ParsePool(1, convert, limits, obey) as pool:
        for result in pool.parse(make_files(stuck)):
            assert isinstance(result, ParsedFile), result
            tell(json.loads(result.text)["pid"])
        sys.stdin.read()


if __name__ == "__main__":
    try:
        main(stuck=sys.argv[1] == "hang")
    except KeyboardInterrupt:
        tell("interrupted")
