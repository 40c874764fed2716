"""The files of a mirror: what belongs there, what a crash left behind, whether any went.

Every fetch ends with a manifest of the packs. A blob that the server left out for its size and one
that a lost pack held look the same to git, and only the first may be called too large; the manifest
tells them apart. A mirror without a manifest is half made and built anew.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ingestion_pipeline.core.errors import TransientError
from ingestion_pipeline.sources.git.limits import GitLimits

_MANIFEST = "ingestion-manifest.json"
# Every fetch adds a pack. With this many, one fresh fetch is cheaper than carrying them on.
MAX_PACKS = 50


class MirrorDamagedError(TransientError):
    """A mirror lacks objects or holds broken ones; the next fetch builds it anew."""


def find_damage(git_dir: Path) -> str:
    """Return why a mirror cannot be trusted, "" when every pack is as the last fetch left it."""
    if not git_dir.exists():
        return "there is no mirror yet"
    manifest = _read_manifest(git_dir)
    if manifest is None:
        return "it was not finished, or was found damaged"
    present = _measure_packs(git_dir)
    for name, size in manifest["packs"].items():
        if present.get(name) != size:
            return f"{name} is missing or has another size"
    return ""


def find_excess(git_dir: Path, limits: GitLimits) -> str:
    """Return why a sound mirror should be built anew all the same, "" for no reason."""
    manifest = _read_manifest(git_dir)
    if manifest is not None and manifest["max_file_bytes"] < limits.max_file_bytes:
        return "larger files are allowed now than it was fetched with"
    if measure_bytes(git_dir) > limits.max_repository_bytes:
        return "it has grown over the limit on its size"
    if len(list((git_dir / "objects" / "pack").glob("*.pack"))) > MAX_PACKS:
        return f"it has more than {MAX_PACKS} packs"
    return ""


def write_manifest(git_dir: Path, max_file_bytes: int) -> None:
    """Record the packs of a mirror that was just fetched; the limit is the one in force then."""
    content = {"max_file_bytes": max_file_bytes, "packs": _measure_packs(git_dir)}
    temporary = git_dir / f"{_MANIFEST}.new"
    temporary.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")
    temporary.replace(git_dir / _MANIFEST)


def mark_damaged(git_dir: Path) -> None:
    """Make the next fetch build the mirror anew."""
    (git_dir / _MANIFEST).unlink(missing_ok=True)


def remove_leftovers(git_dir: Path) -> None:
    """Delete what a killed fetch left; only under the mirror's lock, so that nobody uses it."""
    for suffix in (".building", ".discarded"):
        shutil.rmtree(git_dir.with_name(git_dir.name + suffix), ignore_errors=True)
    if not git_dir.exists():
        return
    for lock in git_dir.rglob("*.lock"):
        lock.unlink(missing_ok=True)
    for temporary in (git_dir / "objects" / "pack").glob("tmp_*"):
        temporary.unlink(missing_ok=True)


def swap_in(built: Path, git_dir: Path) -> None:
    """Put a newly built mirror in the old one's place.

    A crash between the two renames leaves no mirror, which is what the next fetch can deal with.
    """
    discarded = git_dir.with_name(git_dir.name + ".discarded")
    if git_dir.exists():
        git_dir.rename(discarded)
    built.rename(git_dir)
    shutil.rmtree(discarded, ignore_errors=True)


def measure_bytes(git_dir: Path) -> int:
    """Return the size of all files of a mirror."""
    total = 0
    for path in git_dir.rglob("*"):
        with suppress(FileNotFoundError):  # git renames its temporary files meanwhile
            total += path.lstat().st_size
    return total


def measure_received(git_dir: Path) -> int:
    """Return how many bytes of an unfinished pack are there."""
    return sum(path.stat().st_size for path in (git_dir / "objects" / "pack").glob("tmp_pack_*"))


def _measure_packs(git_dir: Path) -> dict[str, int]:
    folder = git_dir / "objects" / "pack"
    return {
        p.name: p.stat().st_size for p in folder.glob("pack-*") if p.suffix in {".pack", ".idx"}
    }


def _read_manifest(git_dir: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((git_dir / _MANIFEST).read_text(encoding="utf-8"))
        return {"max_file_bytes": int(content["max_file_bytes"]), "packs": dict(content["packs"])}
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
