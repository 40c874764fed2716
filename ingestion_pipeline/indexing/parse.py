"""Step 2: facts about the files of every changed branch."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ingestion_pipeline.artifacts.facts import write_facts
from ingestion_pipeline.core.code import FileFacts, SkippedFile
from ingestion_pipeline.indexing.handles import ClonedBranch, ClonedRepository, ParsedRepository
from ingestion_pipeline.parse.files import parse_files
from ingestion_pipeline.parse.selection import select_entries
from ingestion_pipeline.sources.git import GitMirror

Progress = Callable[[str], None]
_PROGRESS_FILES = 1000


class _Tally:
    """Counts what passes by on its way to the facts file."""

    def __init__(self, report: Progress) -> None:
        self.files = 0
        self.symbols = 0
        self.skipped: Counter[str] = Counter()
        self.language_files: Counter[str] = Counter()
        self.language_symbols: Counter[str] = Counter()
        self._report = report

    def count(self, items: Iterable[FileFacts | SkippedFile]) -> Iterator[FileFacts | SkippedFile]:
        for item in items:
            if isinstance(item, SkippedFile):
                self.skipped[item.reason.split(":")[0]] += 1
            else:
                self.files += 1
                self.symbols += len(item.symbols)
                self.language_files[item.language] += 1
                self.language_symbols[item.language] += len(item.symbols)
                if self.files % _PROGRESS_FILES == 0:
                    self._report(f"parsed {self.files} files, now {item.path}")
            yield item


def parse_repository(
    cloned: ClonedRepository,
    mirror: GitMirror,
    max_file_bytes: int,
    report_progress: Progress = lambda _line: None,
) -> ParsedRepository:
    """Parse every file of every changed branch at its head into a facts file.

    Args:
        cloned: What the clone step found.
        mirror: Where the objects are.
        max_file_bytes: Larger files are skipped.
        report_progress: Called with a line now and then.
    """
    begin = time.perf_counter()
    tally = _Tally(report_progress)
    for branch in cloned.changed_branches:
        _parse_branch(branch, mirror, max_file_bytes, tally)
    languages = {
        language: (count, tally.language_symbols[language])
        for language, count in tally.language_files.most_common()
    }
    return ParsedRepository(
        cloned,
        tally.files,
        tally.symbols,
        dict(tally.skipped),
        languages,
        time.perf_counter() - begin,
    )


def _parse_branch(
    branch: ClonedBranch, mirror: GitMirror, max_file_bytes: int, tally: _Tally
) -> None:
    entries, skipped = select_entries(mirror.list_tree(branch.head_sha), max_file_bytes)

    def items() -> Iterator[FileFacts | SkippedFile]:
        yield from skipped
        yield from parse_files(mirror.read_files(entries))

    write_facts(branch.facts_path, tally.count(items()))
