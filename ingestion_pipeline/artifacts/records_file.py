"""All records of a branch in one file of the run's work folder.

The records lie one after another, structure then text; behind them stands an index (MessagePack:
path, blob and the two lengths of each), and at the very end where the index starts. The reader
holds the index alone, about 250 bytes a file, and reads the rest by position: nothing is mapped
into memory, and the texts of files that did not change are never touched.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from ingestion_pipeline.artifacts.records import RecordDamagedError, decode_structure, decode_text
from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file
from ingestion_pipeline.core.records import FileStructure, FileText

_MAGIC = b"records\x01"  # the last byte is the layout's number
# Where the index starts, its length, its CRC-32, the magic again: a file cut short has no such end.
_END = struct.Struct("<QQI8s")

_Half = TypeVar("_Half", FileStructure, FileText)


class _Index(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    paths: list[str]
    blob_shas: list[str]
    structure_lengths: list[int]
    text_lengths: list[int]


class RecordsWriter(AbstractContextManager["RecordsWriter"]):
    """Writes a records file, whole or not at all.

    Args:
        path: Of the file; one there is replaced when the ``with`` block ends well.
    """

    def __init__(self, path: Path) -> None:
        self._replacement = replace_file(path)
        self._index = _Index([], [], [], [])

    def __enter__(self) -> "RecordsWriter":
        self._file = self._replacement.__enter__().open("wb", buffering=1 << 20)
        self._file.write(_MAGIC)
        return self

    def add(self, path: str, blob_sha: str, structure: bytes, text: bytes) -> None:
        """Append one file's record, as ``encode_structure`` and ``encode_text`` returned it."""
        self._file.write(structure)
        self._file.write(text)
        self._index.paths.append(path)
        self._index.blob_shas.append(blob_sha)
        self._index.structure_lengths.append(len(structure))
        self._index.text_lengths.append(len(text))

    def _finish(self) -> None:
        start = self._file.tell()
        index = msgspec.msgpack.encode(self._index)
        self._file.write(index)
        self._file.write(_END.pack(start, len(index), zlib.crc32(index), _MAGIC))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
            self._file.close()
        except BaseException as failure:  # the disk is full: the temporary file goes
            self._replacement.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._replacement.__exit__(kind, error, traceback)


class RecordsReader(AbstractContextManager["RecordsReader"]):
    """Reads a records file; close it, or use it in a ``with`` block. Safe in several threads.

    Args:
        path: Of a file that ``RecordsWriter`` wrote.

    Raises:
        ArtifactError: The file is missing, damaged, or of another version's layout. So does every
            method that meets a damaged record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise ArtifactError(path, "is not there") from None
        try:
            index = self._read_index()
        except BaseException:
            self.close()
            raise
        self._entries = list(zip(index.paths, index.blob_shas, strict=True))
        self._lengths = list(zip(index.structure_lengths, index.text_lengths, strict=True))
        sizes = (structure + text for structure, text in self._lengths)
        self._offsets = list(accumulate(sizes, initial=len(_MAGIC)))

    @property
    def entries(self) -> Sequence[tuple[str, str]]:
        """Path and blob of each file, in the order written."""
        return self._entries

    def read_structure(self, index: int) -> FileStructure:
        """Return the structure of ``entries[index]``."""
        return self._decode(decode_structure, index, self._offsets[index], self._lengths[index][0])

    def read_text(self, index: int) -> FileText:
        """Return the text of ``entries[index]``."""
        structure_length, text_length = self._lengths[index]
        start = self._offsets[index] + structure_length
        return self._decode(decode_text, index, start, text_length)

    def iterate_structures(self) -> Iterator[tuple[str, str, FileStructure]]:
        """Yield path, blob and structure of each file, in order, one in memory at a time."""
        for index, (path, blob_sha) in enumerate(self._entries):
            yield path, blob_sha, self.read_structure(index)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(
        self, decode: Callable[[bytes], _Half], index: int, start: int, length: int
    ) -> _Half:
        try:
            return decode(os.pread(self._descriptor, length, start))
        except (RecordDamagedError, OSError) as error:
            path = self._entries[index][0]
            raise ArtifactError(self._path, f"cannot be read at {path!r} ({error})") from error

    def _read_index(self) -> _Index:
        size = os.fstat(self._descriptor).st_size
        magic = os.pread(self._descriptor, len(_MAGIC), 0)
        if magic != _MAGIC:
            raise ArtifactError(self._path, "is no records file of this version's layout")
        end = os.pread(self._descriptor, _END.size, max(0, size - _END.size))
        if len(end) < _END.size or not end.endswith(_MAGIC):
            raise ArtifactError(self._path, "is not whole")
        start, length, checksum, _ = _END.unpack(end)
        index = os.pread(self._descriptor, length, start) if start + length < size else b""
        if zlib.crc32(index) != checksum or not index:
            raise ArtifactError(self._path, "has a damaged index")
        return msgspec.msgpack.decode(index, type=_Index)
