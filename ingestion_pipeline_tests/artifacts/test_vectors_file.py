"""The vectors file of a run."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.artifacts.replacement import ArtifactError
from ingestion_pipeline.artifacts.vectors import create_vectors, read_vectors, release_pages


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(0, 30), seed=st.integers(0, 100))
def test_vectors_come_back_as_a_map(
    rows: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("vectors") / "vectors.npy"
    vectors = np.random.default_rng(seed).random((rows, 8), dtype=np.float32)

    created = create_vectors(path, rows, 8, np.float32)
    assert not created.any()
    created[:] = vectors
    created.flush()

    np.testing.assert_array_equal(read_vectors(path, np.float32), vectors, strict=True)
    assert isinstance(read_vectors(path, np.float32), np.memmap)
    assert not read_vectors(path, np.float32).flags.writeable


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((2, 2)))
    with pytest.raises(ArtifactError, match="float64"):
        read_vectors(tmp_path / "v.npy", np.float32)
    with pytest.raises(ArtifactError, match="is not there"):
        read_vectors(tmp_path / "none.npy", np.float32)
    (tmp_path / "v.npy").write_bytes(b"not an array")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_vectors(tmp_path / "v.npy", np.float32)


def count_resident_kib(path: Path) -> int:
    """Return how much of a file's maps is in this process's memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    sizes = (
        next(part for part in lines if part.startswith("Rss:"))
        for line in lines
        if str(path) in line
    )
    return sum(int(size.split()[1]) for size in sizes)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells")
def test_released_pages_leave_memory_and_keep_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    created = create_vectors(path, 4_000, 256, np.float32)
    created[:] = np.arange(4_000)[:, None]
    assert count_resident_kib(path) >= 4_000

    release_pages(created)

    assert count_resident_kib(path) == 0
    assert created[:, 3].tolist() == list(range(4_000))
    assert read_vectors(path, np.float32)[:, 255].tolist() == list(range(4_000))


def test_an_array_that_is_no_map_is_left_alone() -> None:
    vectors = np.ones((3, 2), np.float32)
    release_pages(vectors)
    release_pages(vectors[1:])
    assert vectors.all()


def test_a_copy_on_write_map_would_lose_what_was_written(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((4, 4), np.float32))
    copied = np.load(tmp_path / "v.npy", mmap_mode="c")
    with pytest.raises(ValueError, match="without a loss"):
        release_pages(copied)
