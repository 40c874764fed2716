"""The facts file: what goes in comes out, whole or not at all."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.artifacts import facts
from ingestion_pipeline.artifacts.facts import (
    FactsSummary,
    read_facts,
    read_skipped,
    write_facts,
)
from ingestion_pipeline.artifacts.replacement import ArtifactError
from ingestion_pipeline.core.code import FileFacts, SkippedFile, Symbol, SymbolKind
from ingestion_pipeline_tests.artifacts.strategies import files, skipped

FACTS = FileFacts("a.py", "1", "python", size_bytes=10, line_count=3)


@settings(deadline=None, max_examples=40)
@given(items=st.lists(files | skipped, max_size=8))
def test_everything_comes_back_in_order(
    items: list[FileFacts | SkippedFile], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("facts") / "facts.parquet"

    summary = write_facts(path, items)

    assert list(read_facts(path)) == [item for item in items if isinstance(item, FileFacts)]
    assert list(read_skipped(path)) == [item for item in items if isinstance(item, SkippedFile)]
    assert summary.file_count + summary.skipped_count == len(items)


def test_many_files_are_cut_into_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "ROW_GROUP_FILES", 4)
    monkeypatch.setattr(facts, "ROW_GROUP_SYMBOLS", 6)
    symbol = Symbol(SymbolKind.FUNCTION, "f", "f", "def f()", "", 1, 2, body_terms={7: 1})
    items = [
        FileFacts(f"{n}.py", "", "python", 1, 1, symbols=(symbol,) * (n % 5)) for n in range(30)
    ]
    path = tmp_path / "facts.parquet"

    write_facts(path, iter(items))

    groups = pq.ParquetFile(path).num_row_groups
    assert groups >= 30 / 4
    assert list(read_facts(path)) == items


def test_the_summary_counts(tmp_path: Path) -> None:
    symbol = Symbol(SymbolKind.CLASS, "A", "A", "class A", "", 1, 2)
    items = [
        FileFacts("a.py", "", "python", 10, 3, symbols=(symbol, symbol)),
        FileFacts("b.go", "", "go", 5, 2),
        FileFacts("c.py", "", "python", 1, 1),
        SkippedFile("d.png", "", "binary"),
        SkippedFile("e.py", "", "parser failed: stuck"),
        SkippedFile("f.py", "", "parser failed: died"),
    ]

    assert write_facts(tmp_path / "facts", items) == FactsSummary(
        file_count=3,
        symbol_count=2,
        skipped_count=3,
        line_count=6,
        size_bytes=16,
        files_per_language={"python": 2, "go": 1},
        skipped_per_reason={"parser failed": 2, "binary": 1},
    )


def test_a_failing_source_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "facts.parquet"
    write_facts(path, [FACTS])

    def broken():
        yield SkippedFile("b", "", "binary")
        raise RuntimeError("the parser died")

    with pytest.raises(RuntimeError, match="the parser died"):
        write_facts(path, broken())

    assert list(read_facts(path)) == [FACTS]
    assert [file.name for file in tmp_path.iterdir()] == ["facts.parquet"]


def test_another_layout_says_to_run_again_from_the_first_op(tmp_path: Path) -> None:
    path = tmp_path / "facts.parquet"
    write_facts(path, [FACTS])
    table = pq.read_table(path)
    newer = table.replace_schema_metadata({b"ingestion_pipeline.layout": b"facts/99"})
    pq.write_table(newer, path)

    with pytest.raises(ArtifactError, match=r"'facts/99'.*Run again from the first op"):
        list(read_facts(path))


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "facts")
    with pytest.raises(ArtifactError, match="of another program"):
        list(read_skipped(tmp_path / "facts"))


def test_a_missing_or_truncated_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "facts.parquet"
    with pytest.raises(ArtifactError, match="is not there"):
        list(read_facts(path))
    write_facts(path, [FACTS])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match="cannot be read"):
        list(read_facts(path))


def test_a_file_without_any_row(tmp_path: Path) -> None:
    assert write_facts(tmp_path / "facts", []) == FactsSummary()
    assert list(read_facts(tmp_path / "facts")) == []
