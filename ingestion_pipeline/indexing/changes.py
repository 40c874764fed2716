"""What has to be done for a branch: the tree listed at its head against the state's rows.

The comparison knows nothing of commits, so it holds after a force push, a rename of the repository
or a run that was lost.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file
from ingestion_pipeline.core.code import TreeEntry
from ingestion_pipeline.core.state import DocumentVersion


class Predecessor(msgspec.Struct, frozen=True, array_like=True):
    """The file that a new or modified one comes from.

    Args:
        path: Where it was.
        blob_sha: What it said.
    """

    path: str
    blob_sha: str


class BranchChanges(msgspec.Struct, frozen=True):
    """The work on one branch.

    Args:
        entries: Every file that belongs to the index, to be parsed or not: path, mode, blob.
        added: Paths that were not there.
        modified: Paths with other content, or that have to be written again for another reason.
        deleted: Paths whose points go, moved ones' old paths included.
        moved: New path → old path of files with the same content; part of ``added``.
        predecessors: Changed path → what it was.
        skipped: Reason → files left out by their names alone.
        notes: What of the ignore files is not followed, and why.
    """

    entries: list[tuple[str, str, str]]
    added: list[str]
    modified: list[str]
    deleted: list[str]
    moved: dict[str, str]
    predecessors: dict[str, Predecessor]
    skipped: dict[str, int]
    notes: list[str] = msgspec.field(default_factory=list[str])

    @property
    def to_write(self) -> frozenset[str]:
        """Paths whose points are compared and written."""
        return frozenset((*self.added, *self.modified))

    def count(self) -> "ChangeCounts":
        """Return the numbers of it."""
        moved = len(self.moved)
        return ChangeCounts(
            added=len(self.added) - moved,
            modified=len(self.modified),
            deleted=len(self.deleted) - moved,
            moved=moved,
            unchanged=len(self.entries) - len(self.added) - len(self.modified),
        )

    def iterate_entries(self) -> Sequence[TreeEntry]:
        """Return the entries as the mirror reads them."""
        return [TreeEntry(path, mode, blob_sha, -1) for path, mode, blob_sha in self.entries]


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Files of a branch by what happened to them; a moved one counts as neither new nor gone."""

    added: int = 0
    modified: int = 0
    deleted: int = 0
    moved: int = 0
    unchanged: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the points of all files are as they should be."""
        return not (self.added or self.modified or self.deleted or self.moved)

    def __add__(self, other: "ChangeCounts") -> "ChangeCounts":
        return ChangeCounts(
            self.added + other.added,
            self.modified + other.modified,
            self.deleted + other.deleted,
            self.moved + other.moved,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The tree at a head, sorted out.

    Args:
        entries: Files that belong to the index.
        skipped: Reason → files left out by their names alone.
        listed: Every path of the complete listing, skipped ones included.
        notes: What of the ignore files is not followed, and why.
    """

    entries: Sequence[TreeEntry]
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])
    listed: Collection[str] = ()
    notes: Sequence[str] = ()


def compare_tree(
    selection: Selection,
    versions: Mapping[str, DocumentVersion],
    context: str,
    *,
    write_all: bool = False,
) -> BranchChanges:
    """Compare a complete listing with what was indexed.

    Args:
        selection: The files at the head.
        versions: What the state says of each document of the branch.
        context: ``BranchContext.digest`` of this sync.
        write_all: Write every file again, whatever the state says.
    """
    entries = {entry.path: entry for entry in selection.entries}
    added = [path for path in entries if path not in versions]
    modified = [
        path
        for path, entry in entries.items()
        if path in versions and (write_all or _is_outdated(versions[path], entry, context))
    ]
    deleted = [path for path in versions if path not in entries]
    moved = _match_moves(added, deleted, entries, versions)
    predecessors = {
        path: Predecessor(path, versions[path].content_hash)
        for path in modified
        if versions[path].content_hash
    }
    predecessors |= {
        new: Predecessor(old, versions[old].content_hash) for new, old in moved.items()
    }
    return BranchChanges(
        [(entry.path, entry.mode, entry.blob_sha) for entry in selection.entries],
        added,
        modified,
        deleted,
        moved,
        predecessors,
        dict(selection.skipped),
        list(selection.notes),
    )


def find_overtaken(
    changes: BranchChanges,
    versions: Mapping[str, DocumentVersion],
    context: str,
    *,
    also_pending: bool,
) -> str | None:
    """Return a document that is not as it was when the changes were found, None for none.

    Writing the changes would then not make the branch what its tree says.

    Args:
        changes: As they were found.
        versions: What the state says of each document of the branch now.
        context: As for ``compare_tree``.
        also_pending: Documents that nobody knows the points of are written anyway.
    """
    written, gone = changes.to_write, frozenset(changes.deleted)
    paths: set[str] = set()
    for path, _, blob_sha in changes.entries:
        paths.add(path)
        if path in written:
            continue
        known = versions.get(path)
        if known is None:
            return path
        is_same = (known.content_hash, known.context) == (blob_sha, context)
        if not is_same and not (also_pending and not known.content_hash):
            return path
    return next((path for path in versions if path not in paths and path not in gone), None)


def find_vanished(changes: BranchChanges, listed: Collection[str]) -> list[str]:
    """Return the indexed files that the tree does not hold any more under any name.

    Files that new rules leave out are still there, so somebody meant them to go.
    """
    present = frozenset(listed)
    moved_from = frozenset(changes.moved.values())
    return [path for path in changes.deleted if path not in present and path not in moved_from]


def save_changes(path: Path, changes: BranchChanges) -> None:
    """Write the changes to the run's work folder."""
    with replace_file(path) as temporary:
        temporary.write_bytes(msgspec.msgpack.encode(changes))


def load_changes(path: Path) -> BranchChanges:
    """Read them back.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=BranchChanges)
    except FileNotFoundError:
        raise ArtifactError(path, "is not there") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise ArtifactError(path, f"cannot be read ({error})") from error


def _is_outdated(version: DocumentVersion, entry: TreeEntry, context: str) -> bool:
    # What the parser failed at may have failed for want of time or memory: once more.
    return (
        version.content_hash != entry.blob_sha
        or version.context != context
        or version.error.startswith("parser failed")
    )


def _match_moves(
    added: Sequence[str],
    deleted: Sequence[str],
    entries: Mapping[str, TreeEntry],
    versions: Mapping[str, DocumentVersion],
) -> dict[str, str]:
    """Pair new paths with gone ones of the same content, each once, in order of path."""
    gone: dict[str, list[str]] = {}
    for path in sorted(deleted, reverse=True):
        if versions[path].content_hash:
            gone.setdefault(versions[path].content_hash, []).append(path)
    moved: dict[str, str] = {}
    for path in sorted(added):
        if candidates := gone.get(entries[path].blob_sha):
            moved[path] = candidates.pop()
    return moved
