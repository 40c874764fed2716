"""Reads a whole branch the way the pipeline does."""

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git.trees import READABLE_MODES


def read_commit(mirror: GitMirror, commit_sha: str) -> dict[str, bytes]:
    """Return path → content of every readable file of a commit."""
    entries = [
        entry
        for entry in mirror.list_tree(commit_sha)
        if entry.mode in READABLE_MODES and entry.size_bytes >= 0
    ]
    return {file.path: file.content for file in mirror.read_files(entries)}


def fetch_files(mirror: GitMirror, source: FetchSource, branch: str = "main") -> dict[str, bytes]:
    """Fetch a branch and return path → content."""
    return read_commit(mirror, mirror.fetch(source, [branch]).heads[branch])
