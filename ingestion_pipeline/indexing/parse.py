"""Step 2: a record of every file of every changed branch, parsed or known already."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ingestion_pipeline.artifacts.records_file import RecordsWriter
from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file
from ingestion_pipeline.core.batches import batched
from ingestion_pipeline.core.code import SkippedFile, SourceFile, TreeEntry
from ingestion_pipeline.indexing.changes import load_changes
from ingestion_pipeline.indexing.handles import ClonedBranch, ClonedRepository, ParsedRepository
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.record_cache import (
    EncodedRecord,
    RecordCache,
    RecordKey,
    make_record_key,
)
from ingestion_pipeline.indexing.work_disk import explaining_full_disk
from ingestion_pipeline.parse import ParsedFile
from ingestion_pipeline.sources.git import GitMirror

ParseFiles = Callable[[Iterable[SourceFile]], Iterator[ParsedFile | SkippedFile]]

# Keys of one question to the cache, and records of one write to it: a few megabytes.
_BATCH_FILES = 500


def parse_repository(
    cloned: ClonedRepository,
    mirror: GitMirror,
    records: RecordCache,
    parse_files: ParseFiles,
    progress: Progress,
) -> ParsedRepository:
    """Bring the records of every changed branch into the run's work folder.

    Args:
        cloned: What the clone step found.
        mirror: Where the objects are.
        records: What is known already; it may be deleted at any time from here on.
        parse_files: The parser, in processes of its own.
        progress: Told of every file.

    Raises:
        ArtifactError: A file of the clone step is missing or damaged.
        WorkDiskFullError: There is no room for the records.
        TransientError: The mirror lacks a blob, or is damaged.
    """
    begin = time.perf_counter()
    step = _ParseStep(mirror, records, parse_files, progress, cloned.options.full_reindex)
    for branch in progress.share_among(cloned.changed_branches):
        with explaining_full_disk(cloned.work_folder):
            step.run(branch)
    skipped = sum((Counter(branch.skipped) for branch in cloned.branches), step.skipped)
    return ParsedRepository(
        cloned, step.files_parsed, step.files_cached, dict(skipped), time.perf_counter() - begin
    )


class _ParseStep:
    def __init__(
        self,
        mirror: GitMirror,
        records: RecordCache,
        parse_files: ParseFiles,
        progress: Progress,
        anew: bool,
    ) -> None:
        self._mirror = mirror
        self._records = records
        self._parse_files = parse_files
        self._progress = progress
        self._anew = anew
        self._done: set[RecordKey] = set()
        self.files_parsed = 0
        self.files_cached = 0
        self.skipped: Counter[str] = Counter()

    def run(self, branch: ClonedBranch) -> None:
        """Write one branch's records and the reasons for those it has none of."""
        entries = load_changes(branch.changes_path).iterate_entries()
        self._progress.start(len(entries), f"parsing {branch.branch}")
        reasons: dict[str, tuple[str, str]] = {}
        with RecordsWriter(branch.records_path) as writer:
            for entry, record in self._find_records(entries):
                if record.reason:
                    reasons[entry.path] = (entry.blob_sha, record.reason)
                else:
                    writer.add(entry.path, entry.blob_sha, record.structure, record.text)
                self._progress.advance(entry.path)
        self.skipped.update(reason.split(":")[0] for _, reason in reasons.values())
        with replace_file(branch.skipped_path) as temporary:
            temporary.write_bytes(msgspec.msgpack.encode(reasons))

    def _find_records(
        self, entries: Sequence[TreeEntry]
    ) -> Iterator[tuple[TreeEntry, EncodedRecord]]:
        missing: dict[RecordKey, list[TreeEntry]] = defaultdict(list)
        for some in batched(entries, _BATCH_FILES):
            keys = {entry.path: make_record_key(entry.path, entry.blob_sha) for entry in some}
            known = self._records.get_many(key for key in keys.values() if self._may_ask(key))
            for entry in some:
                record = known.get(keys[entry.path])
                if record is None:
                    missing[keys[entry.path]].append(entry)
                else:
                    self.files_cached += 1
                    yield entry, record
        for some in batched(self._parse(missing), _BATCH_FILES):
            self._records.put_many(dict(some))
            for key, record in some:
                self._done.add(key)
                for entry in missing[key]:
                    yield entry, record

    def _may_ask(self, key: RecordKey) -> bool:
        return not self._anew or key in self._done

    def _parse(
        self, missing: dict[RecordKey, list[TreeEntry]]
    ) -> Iterator[tuple[RecordKey, EncodedRecord]]:
        """Parse one file for every key: others of the same content say the same."""
        if not missing:
            return
        unreadable: list[SkippedFile] = []

        def read() -> Iterator[SourceFile]:
            for file in self._mirror.read_files([same[0] for same in missing.values()]):
                if isinstance(file, SkippedFile):
                    unreadable.append(file)
                else:
                    self.files_parsed += 1
                    yield file

        for result in self._parse_files(read()):
            yield make_record_key(result.path, result.blob_sha), _encode(result)
        for file in unreadable:
            yield make_record_key(file.path, file.blob_sha), _encode(file)


def read_skipped(branch: ClonedBranch) -> dict[str, tuple[str, str]]:
    """Return path → (blob sha, reason) of the files that the parser left out.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    path = branch.skipped_path
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=dict[str, tuple[str, str]])
    except FileNotFoundError:
        raise ArtifactError(path, "is not there") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise ArtifactError(path, f"cannot be read ({error})") from error


def _encode(result: ParsedFile | SkippedFile) -> EncodedRecord:
    if isinstance(result, SkippedFile):
        return EncodedRecord(reason=result.reason)
    return EncodedRecord(result.structure, result.text)
