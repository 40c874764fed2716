"""Who a local repository is: its real path, and the id and name made of it."""

import hashlib
import os
import re
from pathlib import Path

from ingestion_pipeline.core.errors import InvalidRepositoryNameError
from ingestion_pipeline.core.repositories import SourceId, SourceKind

_LONGEST_NAME = 80


def resolve_path(reference: str) -> Path:
    """Return the real path (links followed) of what a person typed.

    Raises:
        InvalidRepositoryNameError: Empty, a URL, or a path whose name is not UTF-8.
    """
    if not reference.strip() or "://" in reference or "\0" in reference:
        raise InvalidRepositoryNameError(
            f"{reference!r} is not a path. Give a folder, for example . or /srv/git/project.git."
        )
    path = Path(os.path.realpath(reference))
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRepositoryNameError(
            f"{reference!r} has a name that is not UTF-8, which cannot be stored. Rename it, or "
            "track a symlink-free path without it."
        ) from None
    return path


def make_source_id(path: Path) -> SourceId:
    """Return the stable id of a real path: 63 bits of its SHA-256, as text."""
    return SourceId(SourceKind.LOCAL, str(_hash_path(path) >> 1))


def make_full_name(path: Path) -> str:
    """Return ``local/<folder>-<6 hex digits of the path's hash>``.

    Always with the digits: a name that only takes them when another folder of that name is tracked
    already would depend on the order of tracking, and the same path must always get the same key.
    """
    folder = path.name.removesuffix(".git") or path.parent.name
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder).strip("-.") or "repository"
    return f"local/{readable[:_LONGEST_NAME]}-{_hash_path(path) >> 40:06x}"


def _hash_path(path: Path) -> int:
    return int.from_bytes(hashlib.sha256(os.fsencode(path)).digest()[:8], "big")
