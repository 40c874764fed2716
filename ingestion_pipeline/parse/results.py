"""What a parse worker says of one file."""

from dataclasses import dataclass

import msgspec

from ingestion_pipeline.core.code import SkippedFile


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A file that was parsed, as the bytes of its record.

    Args:
        path: As in ``SourceFile``.
        blob_sha: Likewise.
        structure: The first half that ``convert`` returned.
        text: The second half.
    """

    path: str
    blob_sha: str
    structure: bytes
    text: bytes


# Path, blob, reason ("" for a file that was parsed), structure, text.
_DECODER = msgspec.msgpack.Decoder(tuple[str, str, str, bytes, bytes])


def encode_result(result: ParsedFile | SkippedFile) -> bytes:
    """Return a result as a message."""
    if isinstance(result, SkippedFile):
        return msgspec.msgpack.encode((result.path, result.blob_sha, result.reason, b"", b""))
    return msgspec.msgpack.encode((result.path, result.blob_sha, "", result.structure, result.text))


def decode_result(message: bytes) -> ParsedFile | SkippedFile:
    """Return the result that ``encode_result`` was given.

    Raises:
        msgspec.DecodeError: The bytes are something else.
    """
    path, blob_sha, reason, structure, text = _DECODER.decode(message)
    if reason:
        return SkippedFile(path, blob_sha, reason)
    return ParsedFile(path, blob_sha, structure, text)
