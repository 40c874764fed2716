"""Records and word vectors under keys that say everything they depend on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.records import RecordDamagedError, decode_structure, decode_text
from ingestion_pipeline.cache import ContentCache
from ingestion_pipeline.core.records import FileRecord
from ingestion_pipeline.parse import get_path_hint

_SKIPPED, _RECORD = b"s", b"r"
_LENGTH_BYTES = 4

# A file by what its record depends on: blob sha and path hint.
RecordKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A record as bytes, or the reason why a file has none.

    Args:
        structure: As ``artifacts.records`` encodes it, b"" for none.
        text: Likewise.
        reason: Why the file was skipped, "" for one that was parsed.
    """

    structure: bytes = b""
    text: bytes = b""
    reason: str = ""


def make_record_key(path: str, blob_sha: str) -> RecordKey:
    """Return the part of the key that a file decides."""
    return blob_sha, get_path_hint(path)


class RecordCache:
    """What the parser said of blobs, by any path, in any branch and repository.

    Args:
        cache: Where the bytes are.
        parser_version: Facts of another version are other facts.
        max_file_bytes: A file over the limit has none.
    """

    def __init__(self, cache: ContentCache, parser_version: str, max_file_bytes: int) -> None:
        self._cache = cache
        self._prefix = f"{parser_version}/{max_file_bytes}"

    def find_missing(self, keys: Iterable[RecordKey]) -> set[RecordKey]:
        """Return the keys that have to be parsed."""
        named = {self._name(key): key for key in keys}
        return {named[name] for name in self._cache.find_missing(list(named))}

    def get_many(self, keys: Iterable[RecordKey]) -> dict[RecordKey, EncodedRecord]:
        """Return what is known of some files."""
        named = {self._name(key): key for key in keys}
        found = self._cache.get_many(list(named))
        return {named[name]: _unwrap(value) for name, value in found.items()}

    def put_many(self, records: Mapping[RecordKey, EncodedRecord]) -> None:
        """Keep records; what may turn out otherwise next time is not kept."""
        lasting = {
            self._name(key): _wrap(record)
            for key, record in records.items()
            if not record.reason.startswith("parser failed")
        }
        self._cache.put_many(lasting.items())

    def read(self, key: RecordKey) -> FileRecord | None:
        """Return one decoded record, None where there is none."""
        encoded = self.get_many([key]).get(key)
        if encoded is None or encoded.reason:
            return None
        try:
            return FileRecord(decode_structure(encoded.structure), decode_text(encoded.text))
        except RecordDamagedError:
            return None

    def _name(self, key: RecordKey) -> str:
        blob_sha, hint = key
        return f"{self._prefix}/{hint}/{blob_sha}"


class VectorCache:
    """Vectors of a file's and its symbols' own words, before any message, as float16.

    Args:
        cache: Where the bytes are.
        version: Of encoder and parser together.
        dim: D.
    """

    def __init__(self, cache: ContentCache, version: str, dim: int) -> None:
        self._cache = cache
        self._version = version
        self._dim = dim

    def get_many(
        self, files: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], npt.NDArray[np.float16]]:
        """Return (path, blob sha) → (1 + S, D), for those that are known."""
        named = {self._name(path, sha): (path, sha) for path, sha in files}
        found = self._cache.get_many(list(named))
        row_bytes = 2 * self._dim
        return {
            named[name]: np.frombuffer(value, "<f2").reshape(-1, self._dim)
            for name, value in found.items()
            if value and len(value) % row_bytes == 0
        }

    def put_many(self, vectors: Sequence[tuple[str, str, npt.NDArray[np.float16]]]) -> None:
        """Keep the vectors of (path, blob sha)."""
        self._cache.put_many(
            (self._name(path, sha), rows.astype("<f2").tobytes()) for path, sha, rows in vectors
        )

    def _name(self, path: str, blob_sha: str) -> str:
        return f"{self._version}/{blob_sha}/{path}"


def _wrap(record: EncodedRecord) -> bytes:
    if record.reason:
        return _SKIPPED + record.reason.encode()
    length = len(record.structure).to_bytes(_LENGTH_BYTES, "little")
    return b"".join((_RECORD, length, record.structure, record.text))


def _unwrap(value: bytes) -> EncodedRecord:
    if value[:1] == _SKIPPED:
        return EncodedRecord(reason=value[1:].decode())
    start = 1 + _LENGTH_BYTES
    length = int.from_bytes(value[1:start], "little")
    return EncodedRecord(value[start : start + length], value[start + length :])
