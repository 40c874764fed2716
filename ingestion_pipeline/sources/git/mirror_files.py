"""The files of a mirror: what belongs there, what a crash left behind, whether any went.

Every fetch ends with a manifest of the packs. A blob that was never fetched, one that the server
left out for its size and one that a lost pack held look the same to git; the manifest tells them
apart. A mirror without a manifest is half made and built anew.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ingestion_pipeline.core.errors import TransientError
from ingestion_pipeline.sources.git.limits import GitLimits

_MANIFEST = "ingestion-manifest.json"
# Repositories of their own inside the mirror; see ``side_repository``.
HISTORY_FOLDER = "history"
CHANGES_FOLDER = "changes"
_SIDE_FOLDERS = (HISTORY_FOLDER, CHANGES_FOLDER)
# Where packs are merged, on the same file system so that the result can be renamed.
MERGING_FOLDER = "merging"


class MirrorDamagedError(TransientError):
    """A mirror lacks objects or holds broken ones; the next fetch builds it anew."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of a mirror beside what git keeps.

    Args:
        branches: As the last fetch was asked for them, ``HEAD`` included.
        left_out: Blob id to the ``max_file_bytes`` that it was found to be over.
        complete_below: Set for a server that gives out no single blobs: every fetch brings all
            blobs up to this size. None: blobs are fetched one by one.
        packs: File name to size; as written, whatever is there at that time.
        superseded: Packs whose objects are in another one by now, and which may go.
    """

    branches: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    complete_below: int | None = None
    packs: Mapping[str, int] = field(default_factory=dict[str, int])
    superseded: tuple[str, ...] = ()


def read_manifest(git_dir: Path) -> Manifest | None:
    """Return the manifest, None when there is none or it cannot be read."""
    try:
        content = json.loads((git_dir / _MANIFEST).read_text(encoding="utf-8"))
        complete_below = content["complete_below"]
        return Manifest(
            branches=tuple(map(str, content["branches"])),
            left_out={str(sha): int(limit) for sha, limit in content["left_out"].items()},
            complete_below=None if complete_below is None else int(complete_below),
            packs={str(name): int(size) for name, size in content["packs"].items()},
            superseded=tuple(map(str, content["superseded"])),
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError):
        return None
    except AttributeError:  # a list where a mapping should be
        return None


def write_manifest(git_dir: Path, manifest: Manifest) -> None:
    """Record a mirror as sound with the packs that it has now, less the superseded ones."""
    packs = _measure_packs(git_dir)
    content = {
        "branches": list(manifest.branches),
        "left_out": dict(manifest.left_out),
        "complete_below": manifest.complete_below,
        "packs": {name: size for name, size in packs.items() if name not in manifest.superseded},
        "superseded": list(manifest.superseded),
    }
    temporary = git_dir / f"{_MANIFEST}.new"
    temporary.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")
    temporary.replace(git_dir / _MANIFEST)


def find_damage(git_dir: Path) -> str:
    """Return why a mirror cannot be trusted, "" when every pack is as the last fetch left it."""
    if not git_dir.exists():
        return "there is no mirror yet"
    manifest = read_manifest(git_dir)
    while manifest is not None:
        missing = _find_changed_pack(git_dir, manifest)
        # Readers take no lock: the packs may have been merged since the manifest was read.
        latest = read_manifest(git_dir)
        if not missing or latest == manifest:
            return f"{missing} is missing or has another size" if missing else ""
        manifest = latest
    return "it was not finished, or was found damaged"


def find_excess(git_dir: Path, limits: GitLimits) -> str:
    """Return why a sound mirror should be built anew all the same, "" for no reason."""
    manifest = read_manifest(git_dir) or Manifest()
    if manifest.complete_below is not None and manifest.complete_below < limits.max_file_bytes:
        return "larger files are allowed now than it was fetched with"
    if measure_bytes(git_dir) > limits.max_repository_bytes:
        return "it has grown over the limit on its size"
    return ""


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
    for folder in (git_dir, *(git_dir / name for name in _SIDE_FOLDERS)):
        remove_unfinished_packs(folder)
        for name in (read_manifest(folder) or Manifest()).superseded:
            (folder / "objects" / "pack" / name).unlink(missing_ok=True)


def remove_unfinished_packs(git_dir: Path) -> None:
    """Delete packs that were being received or merged; only under the mirror's lock."""
    shutil.rmtree(git_dir / MERGING_FOLDER, ignore_errors=True)
    for pattern in ("tmp_*", ".tmp-*"):
        for temporary in (git_dir / "objects" / "pack").glob(pattern):
            temporary.unlink(missing_ok=True)


def swap_in(built: Path, git_dir: Path) -> None:
    """Put a newly built mirror in the old one's place; the repositories inside it stay.

    A crash between the renames leaves no mirror, which is what the next fetch can deal with.
    """
    discarded = git_dir.with_name(git_dir.name + ".discarded")
    for name in _SIDE_FOLDERS:
        if (git_dir / name).is_dir():
            (git_dir / name).rename(built / name)
    if git_dir.exists():
        git_dir.rename(discarded)
    built.rename(git_dir)
    shutil.rmtree(discarded, ignore_errors=True)


def measure_bytes(git_dir: Path) -> int:
    """Return the size of all files of a mirror, without the repositories inside it."""
    total = 0
    for path in git_dir.rglob("*"):
        if path.relative_to(git_dir).parts[0] not in _SIDE_FOLDERS:
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


def _find_changed_pack(git_dir: Path, manifest: Manifest) -> str:
    present = _measure_packs(git_dir)
    changed = (name for name, size in manifest.packs.items() if present.get(name) != size)
    return next(changed, "")
