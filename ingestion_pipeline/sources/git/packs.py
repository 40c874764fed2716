"""Merges a mirror's small packs on this machine, so that a thousand pushes leave a few packs.

``git repack --geometric`` would do it, but before git 2.44 it leaves out packs of partial clones,
and ``git repack -a`` writes the whole mirror every time. Here the objects of the small packs are
copied, deltas as they are, into one; a pack stays on its own once it is twice as large as all
smaller ones together. An object is thus copied a number of times that grows with the logarithm of
the mirror's size.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from ingestion_pipeline.sources.git.environment import build_read_environment
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import (
    MERGING_FOLDER,
    Manifest,
    read_manifest,
    remove_leftovers,
    write_manifest,
)
from ingestion_pipeline.sources.git.process import run_supervised, stream_reader


class MergeFailedError(Exception):
    """git could not copy the objects of the packs; the message is its stderr."""


def merge_packs(git_dir: Path, limits: GitLimits) -> None:
    """Merge the small packs when there are more than ``max_packs``; only under the mirror's lock.

    The old packs go after the manifest names the new one, so a crash at any point leaves every
    object in a pack that the manifest vouches for.

    Raises:
        MergeFailedError: A pack cannot be read, the disk is full, or it took too long.
    """
    packs = sorted((git_dir / "objects" / "pack").glob("pack-*.pack"), key=_measure)
    if len(packs) <= limits.max_packs:
        return
    small = choose_packs([_measure(pack) for pack in packs])
    merged = _write_merged(git_dir, packs[:small], limits)
    old = [p.with_suffix(kind).name for p in packs[:small] for kind in _SUFFIXES]
    manifest = read_manifest(git_dir) or Manifest()
    superseded = tuple(name for name in old if Path(name).stem != merged)
    write_manifest(git_dir, replace(manifest, superseded=superseded))
    remove_leftovers(git_dir)
    write_manifest(git_dir, manifest)


# Also the order of deletion: without its index a pack does not exist for git.
_SUFFIXES = (".idx", ".rev", ".pack", ".promisor")


def choose_packs(sizes: Sequence[int]) -> int:
    """Return how many of the smallest packs are merged.

    Args:
        sizes: Ascending.
    """
    count = len(sizes)
    while count > 2 and sizes[count - 1] >= 2 * sum(sizes[: count - 1]):
        count -= 1
    return count


def _measure(pack: Path) -> int:
    return pack.stat().st_size


def _write_merged(git_dir: Path, packs: Sequence[Path], limits: GitLimits) -> str:
    """Put a pack with all objects of ``packs`` beside them and return its name's stem."""
    folder = git_dir / MERGING_FOLDER
    folder.mkdir()
    with tempfile.TemporaryFile() as wanted:
        for pack in packs:
            _list_objects(pack, wanted)
        wanted.seek(0)
        arguments = [
            # No search for new deltas: what is stored as one stays one, the rest is copied.
            *(f"--git-dir={git_dir}", "pack-objects", "--quiet", "--window=0"),
            *("--delta-base-offset", str(folder / "pack")),
        ]
        outcome = run_supervised(arguments, build_read_environment(), limits, wanted)
    if outcome.exit_code != 0:
        raise MergeFailedError(outcome.stderr.strip() or f"git ended with {outcome.exit_code}")
    (written,) = folder.glob("pack-*.pack")
    # Blobs may be missing that its trees name: they are at the server, as for a fetched pack.
    written.with_suffix(".promisor").touch()
    for kind in (".promisor", ".pack", ".rev", ".idx"):  # the index last: it makes the pack exist
        part = written.with_suffix(kind)
        if part.exists():
            part.rename(packs[0].with_name(part.name))
    return written.stem


def _list_objects(pack: Path, wanted: IO[bytes]) -> None:
    """Write the id of every object of a pack."""
    with pack.with_suffix(".idx").open("rb") as index:
        arguments = [f"--git-dir={pack.parents[2]}", "show-index"]
        with stream_reader(arguments, build_read_environment(), index.fileno()) as stream:
            for line in stream.stdout:  # offset, object id, checksum
                wanted.write(line.split()[1] + b"\n")
            outcome = stream.finish()
    if outcome.exit_code != 0:
        raise MergeFailedError(outcome.stderr.strip())
