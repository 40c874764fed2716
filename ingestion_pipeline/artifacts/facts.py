"""The facts file: what the parser found, one row a file, streamed in row groups."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion_pipeline.artifacts.facts_rows import (
    SCHEMA,
    read_file_rows,
    read_skipped_rows,
    to_table,
)
from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file
from ingestion_pipeline.core.code import FileFacts, SkippedFile

# Written into the file; raise the number whenever the schema or its meaning changes.
LAYOUT = "facts/1"
_LAYOUT_KEY = b"ingestion_pipeline.layout"

# A row group is what is held in memory at once: some 30 MB of typical source. The second limit
# keeps it so where files hold thousands of symbols each.
ROW_GROUP_FILES = 500
ROW_GROUP_SYMBOLS = 20_000


@dataclass(frozen=True, slots=True)
class FactsSummary:
    """What went into a facts file.

    Args:
        file_count: Files with facts.
        symbol_count: Their symbols.
        skipped_count: Files listed but not indexed.
        line_count: Lines of the files with facts.
        size_bytes: Bytes of the files with facts.
        files_per_language: Language → files, most first.
        skipped_per_reason: Reason up to its first colon → files, most first.
    """

    file_count: int = 0
    symbol_count: int = 0
    skipped_count: int = 0
    line_count: int = 0
    size_bytes: int = 0
    files_per_language: dict[str, int] = field(default_factory=dict[str, int])
    skipped_per_reason: dict[str, int] = field(default_factory=dict[str, int])


class _Tally:
    """Counts items as they pass."""

    def __init__(self) -> None:
        self._files = self._symbols = self._lines = self._bytes = 0
        self._languages: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def add(self, item: FileFacts | SkippedFile) -> None:
        """Count one item."""
        if isinstance(item, SkippedFile):
            self._reasons[item.reason.partition(":")[0]] += 1
            return
        self._files += 1
        self._symbols += len(item.symbols)
        self._lines += item.line_count
        self._bytes += item.size_bytes
        self._languages[item.language] += 1

    def summarize(self) -> FactsSummary:
        """Return the counts so far."""
        return FactsSummary(
            file_count=self._files,
            symbol_count=self._symbols,
            skipped_count=self._reasons.total(),
            line_count=self._lines,
            size_bytes=self._bytes,
            files_per_language=dict(self._languages.most_common()),
            skipped_per_reason=dict(self._reasons.most_common()),
        )


def _group(
    items: Iterable[FileFacts | SkippedFile], tally: _Tally
) -> Iterator[list[FileFacts | SkippedFile]]:
    group: list[FileFacts | SkippedFile] = []
    symbols = 0
    for item in items:
        tally.add(item)
        group.append(item)
        symbols += len(item.symbols) if isinstance(item, FileFacts) else 0
        if len(group) >= ROW_GROUP_FILES or symbols >= ROW_GROUP_SYMBOLS:
            yield group
            group, symbols = [], 0
    if group:
        yield group


def write_facts(path: Path, items: Iterable[FileFacts | SkippedFile]) -> FactsSummary:
    """Stream the parser's findings into one Parquet file, whole or not at all.

    Args:
        path: Where to; its folder is created; a file there is replaced when all is written.
        items: Consumed once; memory holds one row group of them.

    Raises:
        Whatever ``items`` raises; ``path`` is then as it was.
    """
    tally = _Tally()
    schema = SCHEMA.with_metadata({_LAYOUT_KEY: LAYOUT.encode()})
    with (
        replace_file(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for group in _group(items, tally):
            writer.write_table(to_table(group), row_group_size=len(group))
    return tally.summarize()


def _read_row_groups(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            layout = (file.schema_arrow.metadata or {}).get(_LAYOUT_KEY, b"").decode()
            if layout != LAYOUT:
                raise ArtifactError(
                    path,
                    f"has the layout {layout or 'of another program'!r}, "
                    f"this version reads {LAYOUT!r}",
                )
            for index in range(file.num_row_groups):
                yield file.read_row_group(index, columns=columns)
    except FileNotFoundError:
        raise ArtifactError(path, "is not there") from None
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(path, f"cannot be read ({error})") from error


def read_facts(path: Path) -> Iterator[FileFacts]:
    """Yield the facts of each file in the order they were written, a row group in memory.

    Raises:
        ArtifactError: The file is missing, damaged, or of another version's layout.
    """
    for table in _read_row_groups(path):
        yield from read_file_rows(table)


def read_skipped(path: Path) -> Iterator[SkippedFile]:
    """Yield the files that were listed but not indexed, in the order they were written.

    Raises:
        ArtifactError: The file is missing, damaged, or of another version's layout.
    """
    for table in _read_row_groups(path, ["path", "blob_sha", "reason"]):
        yield from read_skipped_rows(table)
