"""Which files' vectors are others than those that an earlier sync left in the store."""

import msgspec

from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file
from ingestion_pipeline.core.state import IndexedBranch
from ingestion_pipeline.indexing.handles import ClonedBranch
from ingestion_pipeline.indexing.heard_cache import Remembered


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """The files that moved since a branch was looked at before.

    Args:
        head_sha: Commit of then; "" when nothing is known of it.
        fingerprint: Of the pipeline and the rules of then.
        paths: All other files have the vectors of then.
    """

    head_sha: str
    fingerprint: str
    paths: list[str]

    def is_since(self, row: IndexedBranch | None) -> bool:
        """Tell whether a branch was last finished by a sync that looked at the same.

        Only then is all that the store holds of the other files known to be near enough: runs that
        were cut short leave a row without a head.
        """
        if row is None or not row.head_sha:
            return False
        return (row.head_sha, row.fingerprint) == (self.head_sha, self.fingerprint)


def find_moved(before: Remembered | None, now: Remembered) -> Moved:
    """Compare two looks at a branch."""
    if before is None:
        return Moved("", "", [])
    known = dict(zip(before.paths, before.files.tolist(), strict=True))
    moved = [
        path
        for path, digest in zip(now.paths, now.files.tolist(), strict=True)
        if known.get(path) != digest
    ]
    return Moved(before.head_sha, before.fingerprint, moved)


def save_moved(branch: ClonedBranch, moved: Moved) -> None:
    """Write it to the run's work folder."""
    with replace_file(branch.moved_path) as temporary:
        temporary.write_bytes(msgspec.msgpack.encode(moved))


def load_moved(branch: ClonedBranch) -> Moved:
    """Read it back.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    try:
        return msgspec.msgpack.decode(branch.moved_path.read_bytes(), type=Moved)
    except FileNotFoundError:
        raise ArtifactError(branch.moved_path, "is not there") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise ArtifactError(branch.moved_path, f"cannot be read ({error})") from error
