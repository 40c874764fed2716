"""A record's bytes: what goes in comes out, and nothing else ever does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.artifacts.records import (
    RecordDamagedError,
    decode_structure,
    decode_text,
    encode_structure,
    encode_text,
    make_record,
)
from ingestion_pipeline.core.code import FileFacts, Reference, Symbol, SymbolKind
from ingestion_pipeline.core.records import FileStructure, FileText, TermRows
from ingestion_pipeline_tests.artifacts.strategies import files


def repair(facts: FileFacts) -> FileFacts:
    """Make the random indices of the facts point to symbols that are there."""
    count = len(facts.symbols)

    def clip(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        return tuple(r._replace(symbol=min(r.symbol, count - 1)) for r in references)

    return replace(
        facts,
        symbols=tuple(replace(s, parent=min(s.parent, count - 1)) for s in facts.symbols),
        calls=clip(facts.calls),
        bases=clip(facts.bases),
    )


sound_files = files.map(repair)
SYMBOL = Symbol(SymbolKind.CLASS, "A", "A", "class A", "", 1, 2, body_terms={7: 1, 3: 70_000})
FACTS = FileFacts(
    "a.py",
    "1",
    "python",
    size_bytes=10,
    line_count=3,
    symbols=(SYMBOL, replace(SYMBOL, kind=SymbolKind.METHOD, parent=0, doc_terms={2**32 - 1: 300})),
    imports=("os", ".:x"),
    calls=(Reference(1, "b"), Reference(-1, "c"), Reference(1, "a"), Reference(1, "b")),
    body_terms={7: 1},
)


def to_plain(value: object) -> object:
    """Return a record's half as plain values that compare, dtypes included."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    if isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple):
        return list(value)
    return [to_plain(getattr(value, name)) for name in type(value).__slots__]  # type: ignore[attr-defined]


@settings(deadline=None)
@given(sound_files)
def test_both_halves_come_back(facts: FileFacts):
    record = make_record(facts)

    structure = decode_structure(encode_structure(record.structure))
    text = decode_text(encode_text(record.text))

    assert to_plain(structure) == to_plain(record.structure)
    assert to_plain(text) == to_plain(record.text)


def test_a_record_has_the_facts_sorted_and_without_path_and_blob():
    record = make_record(FACTS)

    structure, text = record.structure, record.text
    assert structure.kinds == ["class", "method"]
    assert structure.parents.tolist() == [-1, 0]
    assert list(zip(structure.calls.owners.tolist(), structure.calls.names, strict=True)) == [
        (-1, "c"),
        (1, "a"),
        (1, "b"),
    ]
    assert text.body_terms.lengths.tolist() == [1, 2, 2]
    assert text.body_terms.term_ids.tolist() == [7, 3, 7, 3, 7]
    assert text.body_terms.counts.tolist() == [1, 70_000, 1, 70_000, 1]
    assert text.doc_terms.lengths.tolist() == [0, 0, 1]
    moved = make_record(replace(FACTS, path="b.py", blob_sha="2"))
    assert encode_structure(moved.structure) == encode_structure(structure)
    assert encode_text(moved.text) == encode_text(text)


@settings(deadline=None)
@given(sound_files, st.data())
def test_any_damage_is_noticed(facts: FileFacts, data: st.DataObject):
    record = make_record(facts)
    encoded = data.draw(
        st.sampled_from([encode_structure(record.structure), encode_text(record.text)])
    )
    place = data.draw(st.integers(0, len(encoded) - 1))
    change = data.draw(st.integers(1, 255))
    damaged = data.draw(
        st.sampled_from(
            [
                encoded[:place],
                encoded[:place] + bytes([encoded[place] ^ change]) + encoded[place + 1 :],
                encoded + encoded[: place + 1],
            ]
        )
    )

    for decode in (decode_structure, decode_text):
        with pytest.raises(RecordDamagedError):
            decode(damaged)


@given(st.binary(max_size=40))
def test_foreign_bytes_are_refused(data: bytes):
    for decode in (decode_structure, decode_text):
        with pytest.raises(RecordDamagedError):
            decode(data)


def test_one_half_is_not_taken_for_the_other():
    record = make_record(FACTS)

    with pytest.raises(RecordDamagedError):
        decode_structure(encode_text(record.text))
    with pytest.raises(RecordDamagedError):
        decode_text(encode_structure(record.structure))


def test_what_does_not_fit_together_is_not_written():
    record = make_record(FACTS)
    structure, text = record.structure, record.text
    none, far = np.empty(0, np.int32), np.array([-1, 2], np.int32)
    wrong: list[FileStructure] = [
        replace(structure, names=["A"]),
        replace(structure, parents=far),
        replace(structure, calls=replace(structure.calls, owners=none)),
    ]
    body = text.body_terms
    short = TermRows(np.zeros(1, np.int64), body.term_ids[:0], body.counts[:0])
    bad: list[FileText] = [
        replace(text, keys=["A"]),
        replace(text, doc_terms=short),
        replace(text, body_terms=replace(body, counts=body.counts[:-1])),
    ]

    for half in wrong:
        with pytest.raises(ValueError, match="cannot be written"):
            encode_structure(half)
    for half in bad:
        with pytest.raises(ValueError, match=r"cannot be written|do not add up"):
            encode_text(half)


@pytest.mark.parametrize("distinct", [1, 256, 257, 65_536, 65_537])
@pytest.mark.parametrize("count", [1.0, 255.0, 256.0, 65_536.0, 0.5, -1.0])
def test_every_width_of_ids_and_counts_is_exact(distinct: int, count: float):
    ids = np.arange(distinct, dtype=np.uint32) * np.uint32(65_000)
    rows = TermRows(np.array([distinct]), ids, np.full(distinct, count, np.float32))
    empty = TermRows(np.zeros(1, np.int64), ids[:0], rows.counts[:0])
    none = np.empty(0, np.int32)

    text = decode_text(encode_text(FileText([], [], none, none, rows, empty)))

    assert to_plain(text.body_terms) == to_plain(rows)
