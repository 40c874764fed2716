"""The frozen idf: its shape, its sense, and how anyone may count it again."""

import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from ingestion_pipeline.core.terms import hash_term
from ingestion_pipeline.embed import build_idf
from ingestion_pipeline.embed.hash_table import TABLE_ROWS, make_table
from ingestion_pipeline.embed.idf import MAX_IDF, MIN_IDF, compute_idf, load_idf

SOURCES = {
    "a.py": "def send(letter): smtp.send(letter)",
    "lib/b.go": "func Send(letter string) {}",
    "vendor/c.go": "func Vendored() {}",
    "notes.md": "letter letter letter",
    "d.min.js": "minified",
    "blob.py": "binary \0 letter",
}

# Of rows 0, 1 and 65536.
SIGNS = [[1, -1, 1, 1, 1, -1, 1, 1], [-1, -1, 1, 1, -1, -1, -1, 1], [-1, 1, -1, -1, -1, 1, 1, 1]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    for name, text in SOURCES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def row(word: str) -> int:
    return hash_term(word) % TABLE_ROWS


def test_the_shipped_table() -> None:
    idf = load_idf()
    assert idf.shape == (65536,)
    assert idf.dtype == np.float32
    assert not idf.flags.writeable
    assert idf.min() >= np.float16(MIN_IDF)
    assert idf.max() <= MAX_IDF
    assert idf[row("valu")] < idf[row("socket")] < idf[row("zebra")]


def test_the_shipped_file_is_small() -> None:
    file = resources.files("ingestion_pipeline.embed").joinpath("data/idf.npz")
    assert len(file.read_bytes()) < 200_000


def test_the_table_of_signs_never_changes() -> None:
    table = make_table()
    assert table.shape == (65537, 256)
    assert table.dtype == np.float32
    assert set(np.unique(table)) == {np.float32(-1 / 16), np.float32(1 / 16)}
    assert abs(float(table.mean())) < 1e-4
    signs = np.sign(table[[0, 1, 65536], :8]).astype(int).tolist()
    assert signs == SIGNS


def test_documents_are_counted_in_a_folder(folder: Path) -> None:
    frequency, documents = build_idf.count_documents(folder)
    assert documents == 2
    assert frequency[row("letter")] == 2
    assert frequency[row("smtp")] == 1
    assert frequency[row("vendor")] == 0


def test_a_repository_counts_as_its_folder(folder: Path) -> None:
    expected = build_idf.count_documents(folder)

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    (folder / "uncommitted.py").write_text("def other(): pass")

    frequency, documents = build_idf.count_documents(folder)
    assert documents == expected[1]
    np.testing.assert_array_equal(frequency, expected[0])


def test_large_sources_speak_no_louder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        (folder / f"x{number}.py").write_text("def generated(): pass")
    monkeypatch.setattr(build_idf, "MAX_FILES", 3)
    assert build_idf.count_documents(folder)[1] <= 3


def test_the_command_writes_a_table(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "idf.npz"
    build_idf.main([str(folder), str(folder), "--output", str(output)])

    with np.load(output, allow_pickle=False) as stored:
        assert int(stored["documents"]) == 4
        assert stored["idf"].dtype == np.float16
        assert float(stored["idf"][row("smtp")]) == pytest.approx(np.log(5 / 3), rel=1e-3)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="neither a git repository nor a folder"):
        build_idf.count_documents(tmp_path / "nothing")


def test_idf_is_clipped_at_both_ends() -> None:
    idf = compute_idf(np.array([0, 10**6, 999]), 10**6)
    assert idf.tolist() == pytest.approx([MAX_IDF, MIN_IDF, np.log(10**3)], rel=1e-3)
