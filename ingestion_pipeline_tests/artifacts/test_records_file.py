"""The records file of a run: in order, streamed, whole or not at all."""

from pathlib import Path

import pytest

from ingestion_pipeline.artifacts.records import encode_structure, encode_text, make_record
from ingestion_pipeline.artifacts.records_file import RecordsReader, RecordsWriter
from ingestion_pipeline.artifacts.replacement import ArtifactError
from ingestion_pipeline.core.code import FileFacts


def encode(line_count: int) -> tuple[bytes, bytes]:
    """Return the halves of a record that its number of lines and its one word tell apart."""
    facts = FileFacts("", "", "python", 1, line_count, body_terms={line_count: 1})
    record = make_record(facts)
    return encode_structure(record.structure), encode_text(record.text)


def write(path: Path, count: int = 3) -> None:
    with RecordsWriter(path) as writer:
        for number in range(count):
            writer.add(f"{number}.py", f"sha{number}", *encode(number))


def read_all(path: Path) -> None:
    with RecordsReader(path) as reader:
        for index in range(len(reader.entries)):
            reader.read_structure(index)
            reader.read_text(index)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_records_come_back_in_order_and_by_index(tmp_path: Path, count: int):
    write(tmp_path / "records", count)

    with RecordsReader(tmp_path / "records") as reader:
        assert list(reader.entries) == [(f"{n}.py", f"sha{n}") for n in range(count)]
        streamed = [(path, sha, s.line_count) for path, sha, s in reader.iterate_structures()]
        assert streamed == [(f"{n}.py", f"sha{n}", n) for n in range(count)]
        for number in reversed(range(count)):
            assert reader.read_structure(number).line_count == number
            assert reader.read_text(number).body_terms.term_ids.tolist() == [number]


def test_a_failing_source_leaves_the_old_file_and_no_litter(tmp_path: Path):
    path = tmp_path / "records"
    write(path)
    before = path.read_bytes()

    def write_half() -> None:
        with RecordsWriter(path) as writer:
            writer.add("x.py", "x", *encode(9))
            raise RuntimeError("the parser died")

    with pytest.raises(RuntimeError, match="the parser died"):
        write_half()

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_says_so(tmp_path: Path):
    with pytest.raises(ArtifactError, match="is not there"):
        RecordsReader(tmp_path / "records")


def test_every_cut_and_foreign_bytes_are_noticed(tmp_path: Path):
    path = tmp_path / "records"
    write(path)
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match="Run again from the first op"):
            RecordsReader(path)


def test_every_flipped_byte_is_noticed(tmp_path: Path):
    path = tmp_path / "records"
    write(path)
    whole = path.read_bytes()

    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(ArtifactError):
            read_all(path)
