"""Reads a whole branch the way the pipeline does."""

from collections.abc import Sequence

from ingestion_pipeline.core.code import SourceFile, TreeEntry
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git.trees import READABLE_MODES


def list_files(mirror: GitMirror, commit_sha: str) -> list[TreeEntry]:
    """Return the entries of a commit that can be read."""
    return [entry for entry in mirror.list_tree(commit_sha) if entry.mode in READABLE_MODES]


def read_commit(mirror: GitMirror, source: FetchSource, commit_sha: str) -> dict[str, bytes]:
    """Fetch the blobs of a commit and return path → content, without what is skipped."""
    entries = list_files(mirror, commit_sha)
    mirror.fetch_blobs(source, [entry.blob_sha for entry in entries])
    return read_present(mirror, entries)


def read_present(mirror: GitMirror, entries: Sequence[TreeEntry]) -> dict[str, bytes]:
    """Return path → content of what is in the mirror, without what is skipped."""
    files = mirror.read_files(entries)
    return {file.path: file.content for file in files if isinstance(file, SourceFile)}


def fetch_files(mirror: GitMirror, source: FetchSource, branch: str = "main") -> dict[str, bytes]:
    """Fetch a branch and return path → content."""
    return read_commit(mirror, source, mirror.fetch(source, [branch]).heads[branch])
