"""Git as a reader: bare mirrors, fetched under limits, listed and read, never checked out.

Belongs here: everything that starts a ``git`` process. Does not belong here: which repository to
fetch and with which token (the code hosts), which files are worth reading (``parse``). A
``FetchSource`` goes in; heads, ``TreeEntry`` and, for the blobs that were asked for,
``SourceFile`` come out.
"""

from ingestion_pipeline.sources.git.addresses import check_allowed_url
from ingestion_pipeline.sources.git.blobs import FetchedBlobs
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror import FetchResult, GitMirror
from ingestion_pipeline.sources.git.mirror_files import MirrorDamagedError
from ingestion_pipeline.sources.git.paths import escape_path, unescape_path
from ingestion_pipeline.sources.git.trees import BlobMissingError

__all__ = [
    "BlobMissingError",
    "FetchResult",
    "FetchedBlobs",
    "GitLimits",
    "GitMirror",
    "MirrorDamagedError",
    "check_allowed_url",
    "escape_path",
    "unescape_path",
]
