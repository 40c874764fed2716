"""What the last sync of a branch knew of its vectors, so that the next computes what has moved.

Kept are every node's key (see ``embed.message_keys``) and the vectors of the files. A key that is
here is of a node whose point in the store is as it should be; so the memo is taken away before a
sync writes anything, and put back when the branch is whole. It may be deleted at any time: the next
sync computes everything then. Its name says of which commit and pipeline it is.
"""

import hashlib
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.embed.message_keys import Keys

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MessageMemo:
    """One branch as it was last indexed.

    Args:
        keys: (N, 2) uint64 of all nodes; files are the first.
        file_vectors: (F, D) float32, unit rows.
    """

    keys: Keys
    file_vectors: Vectors

    def find_moved(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Return (N,) which nodes have a key that is not here."""
        return find_keys(self.keys, keys) < 0

    def find_files(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Return (F,) the row of ``file_vectors`` that each key has, -1 for none."""
        return find_keys(self.keys[: len(self.file_vectors)], keys)


def find_keys(known: Keys, wanted: Keys) -> npt.NDArray[np.int64]:
    """Return (W,) a row of ``known`` that equals each key, -1 for none."""
    if not len(known):
        return np.full(len(wanted), -1)
    # By the first half alone, and the second compared: half of a key is all but never shared.
    order = np.argsort(known[:, 0], kind="stable")
    halves = known[order, 0]
    rows = order[np.minimum(np.searchsorted(halves, wanted[:, 0]), len(order) - 1)]
    return np.where((known[rows] == wanted).all(axis=1), rows, -1)


def save_memo(path: Path, keys: Keys, file_vectors: Vectors) -> None:
    """Write down what a sync knows of a branch; its files are its first nodes."""
    with path.open("wb") as file:
        np.savez(file, keys=keys, file_vectors=file_vectors)


@dataclass(frozen=True, slots=True)
class MessageMemos:
    """The memos of all branches; each is used under its repository's lock.

    Args:
        folder: Where they are.
        pipeline: What their vectors depend on besides the repositories.
    """

    folder: Path
    pipeline: str

    def find(self, source: SourceId, branch: str, head_sha: str) -> MessageMemo | None:
        """Return what is known of a branch at a commit; None where nothing is."""
        try:
            with np.load(self._name(source, branch, head_sha), allow_pickle=False) as stored:
                keys, vectors = stored["keys"], stored["file_vectors"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # it was damaged or deleted; whoever asks computes everything
        return MessageMemo(keys, vectors)

    def keep(self, source: SourceId, branch: str, head_sha: str, written: Path) -> None:
        """Make what ``save_memo`` wrote the memo of a branch that is whole at this commit."""
        self.forget(source, branch)
        name = self._name(source, branch, head_sha)
        name.parent.mkdir(parents=True, exist_ok=True)
        written.replace(name)

    def move(self, source: SourceId, branch: str, old_sha: str, new_sha: str) -> None:
        """Let a memo hold for another commit of the same tree."""
        old = self._name(source, branch, old_sha)
        if old.exists():
            old.replace(self._name(source, branch, new_sha))

    def forget(self, source: SourceId, branch: str | None = None) -> None:
        """Delete the memo of a branch, or of all of a source's."""
        folder = self._locate(source)
        if branch is not None:
            folder /= _digest(branch)
        shutil.rmtree(folder, ignore_errors=True)

    def _locate(self, source: SourceId) -> Path:
        return self.folder / f"{source.kind}-{source.stable_id}"

    def _name(self, source: SourceId, branch: str, head_sha: str) -> Path:
        name = f"{head_sha}-{_digest(self.pipeline)}.npz"
        return self._locate(source) / _digest(branch) / name


def _digest(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(raw, digest_size=10).hexdigest()
