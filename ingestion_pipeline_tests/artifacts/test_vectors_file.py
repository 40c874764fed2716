"""The vectors file of a run."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.artifacts.replacement import ArtifactError
from ingestion_pipeline.artifacts.vectors import create_vectors, read_vectors


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

    np.testing.assert_array_equal(read_vectors(path), vectors, strict=True)
    assert isinstance(read_vectors(path), np.memmap)
    assert not read_vectors(path).flags.writeable


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((2, 2)))
    with pytest.raises(ArtifactError, match="float64"):
        read_vectors(tmp_path / "v.npy")
    with pytest.raises(ArtifactError, match="is not there"):
        read_vectors(tmp_path / "none.npy")
    (tmp_path / "v.npy").write_bytes(b"not an array")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_vectors(tmp_path / "v.npy")
