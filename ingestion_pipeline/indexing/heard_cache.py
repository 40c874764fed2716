"""What the nodes of a branch heard in the last sync, in one file a branch that may be deleted.

A file is a mark and a CRC-32 before a MessagePack array in which every numpy array is its
little-endian bytes. Whatever passes the checksum is what ``save`` wrote.
"""

import hashlib
import logging
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.embed.digests import Digests
from ingestion_pipeline.embed.heard import Heard

_logger = logging.getLogger(__name__)

_MARK = b"heard\x01"  # the last byte is the layout's number
_CHECKSUM_BYTES = 4


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an embed step found out about a branch.

    Args:
        head_sha: Commit that it looked at.
        fingerprint: Of the pipeline and the rules.
        paths: F files.
        files: (F,) digests of the vectors of each.
        heard: What all nodes heard.
    """

    head_sha: str
    fingerprint: str
    paths: list[str]
    files: Digests
    heard: Heard


class _File(msgspec.Struct, array_like=True):
    head_sha: str
    fingerprint: str
    paths: list[str]
    shape: tuple[int, int, int]
    files: memoryview
    own: memoryview
    inputs: memoryview
    values: memoryview


class HeardCache:
    """One file a branch, under the repository's lock.

    Nothing of it is ever raised: what cannot be read is not known, what cannot be written is not
    kept, and the log says so.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, source: SourceId, branch: str) -> Remembered | None:
        """Return what was kept of a branch, None for nothing."""
        path = self._find(source, branch)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _logger.warning("The cache %s cannot be read: %s. All is heard anew.", path, error)
            return None
        remembered = _decode(data)
        if remembered is None:
            _logger.warning("The cache %s is damaged or of another version; it begins anew.", path)
        return remembered

    def save(self, source: SourceId, branch: str, remembered: Remembered) -> None:
        """Keep what is known of a branch now, in the place of what was known before."""
        path = self._find(source, branch)
        # Not synced to the disk: what a power cut tears is known by its checksum.
        building = path.with_name(f"{path.name}.building")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with building.open("wb") as file:
                    file.writelines(_encode(remembered))
                building.replace(path)
            finally:
                building.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning(
                "The cache %s cannot be written: %s. The next sync is slower. See that its disk "
                "has room and that its folder is writable.",
                path,
                error,
            )

    def keep_only(self, source: SourceId, branches: Collection[str]) -> None:
        """Delete what is known of a source's other branches."""
        kept = {self._find(source, branch).name for branch in branches}
        folder = self._find(source, "").parent
        try:
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.name not in kept:
                    path.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("The cache %s cannot be tidied up: %s.", folder, error)

    def _find(self, source: SourceId, branch: str) -> Path:
        return self._folder / _name(str(source)) / _name(branch)


def _name(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def _encode(remembered: Remembered) -> tuple[bytes, bytes, bytes]:
    heard = remembered.heard
    packed = msgspec.msgpack.encode(
        _File(
            *(remembered.head_sha, remembered.fingerprint, remembered.paths),
            heard.values.shape,
            *(array.data for array in (remembered.files, heard.own, heard.inputs, heard.values)),
        )
    )
    return _MARK, zlib.crc32(packed).to_bytes(_CHECKSUM_BYTES, "little"), packed


def _decode(data: bytes) -> Remembered | None:
    start = len(_MARK) + _CHECKSUM_BYTES
    packed = memoryview(data)[start:]
    checksum = zlib.crc32(packed).to_bytes(_CHECKSUM_BYTES, "little")
    if data[:start] != _MARK + checksum:
        return None
    file = msgspec.msgpack.decode(packed, type=_File)
    own = np.frombuffer(file.own, "<u8")
    heard = Heard(
        own,
        np.frombuffer(file.inputs, "<u8").reshape(file.shape[:2]),
        np.frombuffer(file.values, "<f2").reshape(file.shape),
    )
    files = np.frombuffer(file.files, "<u8")
    return Remembered(file.head_sha, file.fingerprint, file.paths, files, heard)
