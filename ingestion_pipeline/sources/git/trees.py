"""Lists and reads what a commit holds, straight from the objects; nothing is checked out."""

import re
import subprocess
import tempfile
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from ingestion_pipeline.core.code import SkippedFile, SourceFile, TreeEntry
from ingestion_pipeline.core.errors import (
    RepositoryLimitError,
    RepositoryUnavailableError,
    TransientError,
)
from ingestion_pipeline.sources.git.environment import build_read_environment
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import MirrorDamagedError
from ingestion_pipeline.sources.git.paths import escape_path
from ingestion_pipeline.sources.git.process import GitStream, stream_reader

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 16
READABLE_MODES = frozenset(("100644", "100755"))
# The reason of a SkippedFile.
TOO_LARGE = "too large"


class BlobMissingError(TransientError):
    """A blob was never fetched, or is not in the mirror any more."""


def list_tree(git_dir: Path, commit_sha: str, limits: GitLimits) -> list[TreeEntry]:
    """Return every file, symlink and submodule of a commit, in git's order, sizes not known.

    Raises:
        MirrorDamagedError: The listing would not be complete.
        RepositoryLimitError: More entries than the limit.
        RepositoryUnavailableError: A path stands there twice.
        ValueError: ``commit_sha`` is not a full object id.
    """
    if not _SHA.fullmatch(commit_sha):
        raise ValueError(f"{commit_sha!r} is not a full commit id.")
    arguments = ["ls-tree", "-r", "-z", "--full-tree", commit_sha]
    with _stream(git_dir, arguments, subprocess.DEVNULL) as stream:
        rows = list(_limit(_split_records(stream), limits))
        _check_end(stream)
    if len({path for _, _, path in rows}) != len(rows):
        raise RepositoryUnavailableError(
            f"Commit {commit_sha} is malformed: it lists a path twice. Have it repaired with git "
            "fsck and a new commit at the host."
        )
    return [TreeEntry(escape_path(path), mode, sha, -1) for mode, sha, path in rows]


def read_files(
    git_dir: Path, entries: Sequence[TreeEntry], limits: GitLimits, left_out: Container[str]
) -> Iterator[SourceFile | SkippedFile]:
    """Yield the contents of files in the order asked for, holding one at a time.

    Args:
        git_dir: The mirror.
        entries: Regular files.
        limits: A larger blob is passed over and yielded as skipped.
        left_out: Blobs that are not there because they are too large.

    Raises:
        BlobMissingError: A blob is not there, for another reason.
        MirrorDamagedError: A blob is broken.
    """
    with tempfile.TemporaryFile() as wanted:
        wanted.writelines(f"{entry.blob_sha}\n".encode() for entry in entries)
        wanted.seek(0)
        with _stream(git_dir, ["cat-file", "--batch", "--buffer"], wanted.fileno()) as stream:
            for entry in entries:
                yield _read_entry(stream, entry, limits, left_out)
            _check_end(stream)


def check_readable(entries: Sequence[TreeEntry]) -> None:
    """Pass when every entry is a regular file with an object id.

    Raises:
        ValueError: A symlink or submodule, which are listed and never read.
    """
    for entry in entries:
        if entry.mode not in READABLE_MODES or not _SHA.fullmatch(entry.blob_sha):
            raise ValueError(f"{entry.path!r} (mode {entry.mode}) is not a file to read.")


def _stream(git_dir: Path, arguments: Sequence[str], stdin: int):
    return stream_reader([f"--git-dir={git_dir}", *arguments], build_read_environment(), stdin)


def _split_records(stream: GitStream) -> Iterator[tuple[str, str, bytes]]:
    """Yield (mode, object id, path) of ``ls-tree -z``."""
    rest = b""
    while chunk := stream.stdout.read(_CHUNK_BYTES):
        *records, rest = (rest + chunk).split(b"\0")
        for record in records:
            facts, _, path = record.partition(b"\t")
            mode, _kind, sha = facts.decode("ascii").split(" ")
            yield mode, sha, path
    if rest:
        raise MirrorDamagedError("The listing of the tree ends in the middle of an entry.")


def _limit(
    rows: Iterator[tuple[str, str, bytes]], limits: GitLimits
) -> Iterator[tuple[str, str, bytes]]:
    for number, row in enumerate(rows):
        if number >= limits.max_tree_entries:
            raise RepositoryLimitError(
                f"The commit names more than {limits.max_tree_entries:,} files, which is more than "
                "is indexed. Track a branch with fewer files."
            )
        yield row


def read_sizes(git_dir: Path, blob_shas: Sequence[str]) -> dict[str, int]:
    """Return object id → size in bytes of the blobs that are in the mirror; one process for all.

    Raises:
        MirrorDamagedError: git does not answer for every one.
    """
    with tempfile.TemporaryFile() as wanted:
        wanted.writelines(f"{sha}\n".encode() for sha in blob_shas)
        wanted.seek(0)
        arguments = ["cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer"]
        with _stream(git_dir, arguments, wanted.fileno()) as stream:
            answers = [line.split() for line in stream.stdout]
            _check_end(stream)
    if len(answers) != len(blob_shas):
        raise MirrorDamagedError("git did not answer for every blob.")
    return {sha.decode(): int(size) for sha, size in answers if size != b"missing"}


def check_ids(shas: Iterable[str]) -> None:
    """Pass when every one is a full object id.

    Raises:
        ValueError: Another text.
    """
    for sha in shas:
        if not _SHA.fullmatch(sha):
            raise ValueError(f"{sha!r} is not a full object id.")


def _read_entry(
    stream: GitStream, entry: TreeEntry, limits: GitLimits, left_out: Container[str]
) -> SourceFile | SkippedFile:
    header = stream.stdout.readline().split()
    if header == [entry.blob_sha.encode(), b"missing"]:
        if entry.blob_sha not in left_out:
            raise BlobMissingError(f"Blob {entry.blob_sha} of {entry.path!r} is missing.")
        return SkippedFile(entry.path, entry.blob_sha, TOO_LARGE)
    if len(header) != 3 or header[0] != entry.blob_sha.encode() or header[1] != b"blob":
        complaint = stream.finish().stderr.strip() if not header else b" ".join(header).decode()
        raise MirrorDamagedError(f"Blob {entry.blob_sha} of {entry.path!r}: {complaint}.")
    size = int(header[2])
    if size > limits.max_file_bytes:
        _pass_over(stream, size + 1, entry)
        return SkippedFile(entry.path, entry.blob_sha, TOO_LARGE)
    content = stream.stdout.read(size)
    if len(content) != size or stream.stdout.read(1) != b"\n":
        raise MirrorDamagedError(f"Blob {entry.blob_sha} of {entry.path!r} ends too early.")
    return SourceFile(entry.path, entry.blob_sha, content)


def _pass_over(stream: GitStream, size: int, entry: TreeEntry) -> None:
    while size > 0:
        chunk = stream.stdout.read(min(size, _CHUNK_BYTES))
        if not chunk:
            raise MirrorDamagedError(f"Blob {entry.blob_sha} of {entry.path!r} ends too early.")
        size -= len(chunk)


def _check_end(stream: GitStream) -> None:
    """Pass when git ended well and said nothing: it warns of broken packs and goes on."""
    outcome = stream.finish()
    if outcome.exit_code != 0 or outcome.stderr.strip():
        raise MirrorDamagedError(outcome.stderr.strip() or f"git ended with {outcome.exit_code}")
