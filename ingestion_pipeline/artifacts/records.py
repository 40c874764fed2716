"""A file's record as two short byte strings: what the parse cache keeps and a run hands on.

A half is a kind, a layout number and a CRC-32 before a MessagePack array
(https://jcristharif.com/msgspec/structs.html#encoding-decoding-as-arrays), in which every numpy
array is its little-endian bytes; of the text, the array is compressed. Whatever passes the checksum
is what ``encode_…`` wrote, so decoding checks nothing else: it is done for every file at every run.
"""

import zlib

import msgspec
import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.packed_terms import (
    PackedRows,
    list_distinct_ids,
    make_term_rows,
    pack_rows,
    unpack_rows,
)
from ingestion_pipeline.core.code import FileFacts, Reference, SymbolKind
from ingestion_pipeline.core.records import FileRecord, FileStructure, FileText, References

# Raise the number whenever a layout below changes. It is part of the key of every cached record.
RECORD_LAYOUT = 1

_CHECKSUM_BYTES = 4
# Halves the text for 90 µs a file. LZ4 is 8 times faster and a quarter larger, but its only kept
# wheel here is pyarrow, whose import costs every parse worker a quarter of a second.
_COMPRESSION_LEVEL = 1
_STRUCTURE_MARK = b"S" + RECORD_LAYOUT.to_bytes(1, "little")
_TEXT_MARK = b"T" + RECORD_LAYOUT.to_bytes(1, "little")
_KINDS = tuple(kind.value for kind in SymbolKind)
_KIND_CODES = {kind: code for code, kind in enumerate(_KINDS)}


class RecordDamagedError(ValueError):
    """Bytes that are no record, are not whole, or have another version's layout.

    A cached record is then parsed anew; in a run's own file it ends the run.
    """


class _Structure(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    language: str
    line_count: int
    imports: list[str]
    kinds: bytes
    names: list[str]
    parents: bytes
    call_owners: bytes
    call_names: list[str]
    base_owners: bytes
    base_names: list[str]


class _Text(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    keys: list[str]
    signatures: list[str]
    start_lines: bytes
    end_lines: bytes
    distinct_ids: bytes
    body_terms: PackedRows
    doc_terms: PackedRows


_ENCODER = msgspec.msgpack.Encoder()
_STRUCTURES = msgspec.msgpack.Decoder(_Structure)
_TEXTS = msgspec.msgpack.Decoder(_Text)


def make_record(facts: FileFacts) -> FileRecord:
    """Return the compact form of a file's facts; its path and blob do not enter into it."""
    symbols = facts.symbols
    owners = (facts, *symbols)
    return FileRecord(
        FileStructure(
            language=facts.language,
            line_count=facts.line_count,
            imports=facts.imports,
            kinds=[symbol.kind.value for symbol in symbols],
            names=[symbol.name for symbol in symbols],
            parents=np.array([symbol.parent for symbol in symbols], np.int32),
            calls=_sort_references(facts.calls),
            bases=_sort_references(facts.bases),
        ),
        FileText(
            keys=[symbol.key for symbol in symbols],
            signatures=[symbol.signature for symbol in symbols],
            start_lines=np.array([symbol.start_line for symbol in symbols], np.int32),
            end_lines=np.array([symbol.end_line for symbol in symbols], np.int32),
            body_terms=make_term_rows([owner.body_terms for owner in owners]),
            doc_terms=make_term_rows([owner.doc_terms for owner in owners]),
        ),
    )


def _sort_references(references: tuple[Reference, ...]) -> References:
    pairs = sorted({(reference.symbol, reference.name) for reference in references})
    return References(
        np.array([owner for owner, _ in pairs], np.int32), [name for _, name in pairs]
    )


def encode_structure(structure: FileStructure) -> bytes:
    """Return the bytes of a record's structure.

    Raises:
        ValueError: An index points to no symbol, or the fields differ in length.
    """
    count = len(structure.names)
    lengths = {len(structure.kinds), len(structure.names), len(structure.parents)}
    _expect(len(lengths) == 1, "kinds, names and parents differ in length")
    for owners in (structure.parents, structure.calls.owners, structure.bases.owners):
        is_inside = not len(owners) or (owners.min() >= -1 and owners.max() < count)
        _expect(bool(is_inside), f"an index is outside of the file's {count} symbols")
    for references in (structure.calls, structure.bases):
        _expect(
            len(references.owners) == len(references.names), "owners and names differ in length"
        )
    packed = _ENCODER.encode(
        _Structure(
            structure.language,
            structure.line_count,
            list(structure.imports),
            bytes(_KIND_CODES[kind] for kind in structure.kinds),
            list(structure.names),
            _to_bytes(structure.parents),
            _to_bytes(structure.calls.owners),
            list(structure.calls.names),
            _to_bytes(structure.bases.owners),
            list(structure.bases.names),
        )
    )
    return _seal(_STRUCTURE_MARK, packed)


def decode_structure(data: bytes) -> FileStructure:
    """Return the structure that ``encode_structure`` wrote; its arrays are read-only.

    Raises:
        RecordDamagedError: The bytes are something else, or not whole.
    """
    found = _STRUCTURES.decode(_unseal(_STRUCTURE_MARK, data))
    return FileStructure(
        found.language,
        found.line_count,
        found.imports,
        [_KINDS[code] for code in found.kinds],
        found.names,
        np.frombuffer(found.parents, "<i4"),
        References(np.frombuffer(found.call_owners, "<i4"), found.call_names),
        References(np.frombuffer(found.base_owners, "<i4"), found.base_names),
    )


def encode_text(text: FileText) -> bytes:
    """Return the bytes of a record's text.

    Raises:
        ValueError: The fields differ in length.
    """
    rows = len(text.keys) + 1
    lengths = {len(text.signatures), len(text.start_lines), len(text.end_lines)}
    _expect(lengths == {rows - 1}, "keys, signatures and lines differ in length")
    _expect(
        len(text.body_terms.lengths) == len(text.doc_terms.lengths) == rows,
        "there is not one row of terms for the file and each symbol",
    )
    distinct_ids = list_distinct_ids(text.body_terms, text.doc_terms)
    packed = _ENCODER.encode(
        _Text(
            list(text.keys),
            list(text.signatures),
            _to_bytes(text.start_lines),
            _to_bytes(text.end_lines),
            distinct_ids.astype("<u4").tobytes(),
            pack_rows(text.body_terms, distinct_ids),
            pack_rows(text.doc_terms, distinct_ids),
        )
    )
    return _seal(_TEXT_MARK, zlib.compress(packed, _COMPRESSION_LEVEL))


def decode_text(data: bytes) -> FileText:
    """Return the text that ``encode_text`` wrote.

    Raises:
        RecordDamagedError: The bytes are something else, or not whole.
    """
    found = _TEXTS.decode(zlib.decompress(_unseal(_TEXT_MARK, data)))
    distinct_ids = np.frombuffer(found.distinct_ids, "<u4")
    return FileText(
        found.keys,
        found.signatures,
        np.frombuffer(found.start_lines, "<i4"),
        np.frombuffer(found.end_lines, "<i4"),
        unpack_rows(found.body_terms, distinct_ids),
        unpack_rows(found.doc_terms, distinct_ids),
    )


def _to_bytes(numbers: npt.NDArray[np.int32]) -> bytes:
    return numbers.astype("<i4", copy=False).tobytes()


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(f"A record cannot be written: {problem}.")


def _seal(mark: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(mark))  # of the mark too: S and T are near
    return mark + checksum.to_bytes(_CHECKSUM_BYTES, "little") + payload


def _unseal(mark: bytes, data: bytes) -> memoryview:
    """Return what is behind the head; the checksum stands for all checks of what is in there."""
    start = len(mark) + _CHECKSUM_BYTES
    if data[: len(mark)] != mark:
        raise RecordDamagedError("The bytes are no record of this version's layout.")
    payload = memoryview(data)[start:]
    checksum = int.from_bytes(data[len(mark) : start], "little")
    if not payload or zlib.crc32(payload, zlib.crc32(mark)) != checksum:
        raise RecordDamagedError("The record's checksum does not fit its bytes.")
    return payload
