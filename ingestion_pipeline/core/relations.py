"""What ties the files of a branch together: references, and commits that changed both."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt


class _Packed(msgspec.Struct, array_like=True):
    paths: list[str]
    references: bytes
    changes: bytes
    weights: bytes
    activity: bytes
    said_offsets: bytes
    said_terms: bytes
    said_counts: bytes


@dataclass(frozen=True, slots=True)
class FileWords:
    """Words of F files.

    Args:
        offsets: (F + 1,) int64, where each file's begin.
        term_ids: (W,) int64, sorted within each file.
        counts: (W,) int64.
    """

    offsets: npt.NDArray[np.int64]
    term_ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What one file has to do with another.

    Args:
        references: Imports, calls and inheritance between the two, in either direction.
        commits: Commits that changed both.
        changed: Their weight: 1 / (n - 1) for a commit of n files, the less the older it is.
    """

    references: int = 0
    commits: int = 0
    changed: float = 0.0


@dataclass(frozen=True)
class FileRelations:
    """The relations of one branch's files.

    Args:
        paths: F paths, sorted.
        references: (3, P) int32: two files, the first before the second, and how many references.
        changes: (3, C) int32: likewise two files, and how many commits changed both.
        weights: (C,) float32, of the commits behind each column of ``changes``.
        activity: (F,) float32, how often and how lately each file was changed: each commit counts,
            the less the older it is.
        said: What the messages of the commits that changed each file say.
    """

    paths: Sequence[str]
    references: npt.NDArray[np.int32]
    changes: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    activity: npt.NDArray[np.float32]
    said: FileWords

    def pack(self) -> bytes:
        """Return all of it for a file or a row: little-endian arrays, deflated."""
        packed = _Packed(
            list(self.paths),
            self.references.astype("<i4").tobytes(),
            self.changes.astype("<i4").tobytes(),
            self.weights.astype("<f4").tobytes(),
            self.activity.astype("<f4").tobytes(),
            self.said.offsets.astype("<i4").tobytes(),
            self.said.term_ids.astype("<u4").tobytes(),
            self.said.counts.astype("<i4").tobytes(),
        )
        return zlib.compress(msgspec.msgpack.encode(packed), 1)

    @classmethod
    def unpack(cls, packed: bytes) -> "FileRelations":
        """Return what ``pack`` was called on.

        Raises:
            ValueError: These bytes are something else.
        """
        try:
            one = msgspec.msgpack.decode(zlib.decompress(packed), type=_Packed)
        except (zlib.error, msgspec.DecodeError) as error:
            raise ValueError(f"no packed relations: {error}") from error
        return cls(
            one.paths,
            np.frombuffer(one.references, "<i4").reshape(3, -1).astype(np.int32),
            np.frombuffer(one.changes, "<i4").reshape(3, -1).astype(np.int32),
            np.frombuffer(one.weights, "<f4").astype(np.float32),
            np.frombuffer(one.activity, "<f4").astype(np.float32),
            FileWords(
                np.frombuffer(one.said_offsets, "<i4").astype(np.int64),
                np.frombuffer(one.said_terms, "<u4").astype(np.int64),
                np.frombuffer(one.said_counts, "<i4").astype(np.int64),
            ),
        )

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Path → its place in ``paths``."""
        return {path: place for place, path in enumerate(self.paths)}

    def find_neighbours(self, path: str) -> dict[str, Neighbour]:
        """Return path → relation of every file that has one to this file; {} for one not known."""
        place = self.places.get(path)
        if place is None:
            return {}
        found: dict[str, Neighbour] = {}
        for column, other in _list_ends(self.references, place):
            found[self.paths[other]] = Neighbour(int(self.references[2, column]))
        for column, other in _list_ends(self.changes, place):
            name = self.paths[other]
            references = found[name].references if name in found else 0
            commits, weight = int(self.changes[2, column]), float(self.weights[column])
            found[name] = Neighbour(references, commits, weight)
        return found

    def get_activity(self, path: str) -> float:
        """Return how often and how lately a file was changed, 0 for one not known."""
        place = self.places.get(path)
        return 0.0 if place is None else float(self.activity[place])


def _list_ends(pairs: npt.NDArray[np.int32], place: int) -> list[tuple[int, int]]:
    """Return the columns that name a file, and the other file of each."""
    first, second = pairs[0] == place, pairs[1] == place
    columns = np.flatnonzero(first | second)
    others = pairs[0, columns] + pairs[1, columns] - place
    return list(zip(columns.tolist(), others.tolist(), strict=True))
