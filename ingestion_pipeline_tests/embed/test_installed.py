"""Which encoders there are, and which one is in use."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestion_pipeline.core.errors import EncoderWeightsError
from ingestion_pipeline.embed import ENCODER_VERSION
from ingestion_pipeline.embed.installed import (
    install_encoder,
    list_encoders,
    load_installed_weights,
    read_in_use,
    use_encoder,
)
from ingestion_pipeline.embed.version import TRAINED
from ingestion_pipeline_tests.embed.trained import make_trained_weights

MINE = make_trained_weights("mine-1")


def test_without_a_choice_it_is_the_one_whose_updates_cost_least(tmp_path: Path) -> None:
    folder = tmp_path / "encoders"
    assert read_in_use(folder) == ENCODER_VERSION
    assert list_encoders(folder) == ["hashbag-1", TRAINED]
    assert not folder.exists()


def test_a_trained_encoder_is_used_and_left_again(tmp_path: Path) -> None:
    install_encoder(tmp_path, MINE)
    assert read_in_use(tmp_path) == ENCODER_VERSION  # installing does not choose
    assert list_encoders(tmp_path) == ["hashbag-1", TRAINED, "mine-1"]
    used = use_encoder(tmp_path, "mine-1")
    assert (used.version, read_in_use(tmp_path)) == ("mine-1", "mine-1")
    assert use_encoder(tmp_path, TRAINED).version == TRAINED
    assert read_in_use(tmp_path) == TRAINED
    loaded = load_installed_weights(tmp_path, "mine-1")
    np.testing.assert_array_equal(loaded.table.values, MINE.table.values)


def test_what_is_not_there_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(
        EncoderWeightsError, match=r"no encoder mine-1: .*missing.*There are: hashbag-1"
    ):
        use_encoder(tmp_path, "mine-1")
    assert read_in_use(tmp_path) == ENCODER_VERSION


def test_what_is_damaged_is_not_used(tmp_path: Path) -> None:
    path = install_encoder(tmp_path, MINE)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(
        EncoderWeightsError, match=r"mine-1\.npz is no whole file.*encoder use codegraph-1"
    ):
        use_encoder(tmp_path, "mine-1")
    assert read_in_use(tmp_path) == ENCODER_VERSION


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    install_encoder(tmp_path, MINE).rename(tmp_path / "yours-1.npz")
    with pytest.raises(EncoderWeightsError, match="holds mine-1, not yours-1"):
        use_encoder(tmp_path, "yours-1")


@pytest.mark.parametrize("version", ["", "Mine", "a_b", "a b", "../a", TRAINED, "hashbag-1"])
def test_some_names_cannot_be_had(tmp_path: Path, version: str) -> None:
    with pytest.raises(EncoderWeightsError, match="cannot name a trained encoder"):
        install_encoder(tmp_path, make_trained_weights(version))


def test_another_encoder_of_the_same_version_is_refused(tmp_path: Path) -> None:
    path = install_encoder(tmp_path, MINE)
    before = path.stat().st_mtime_ns
    other = replace(MINE, idf=MINE.idf * np.float32(1.5))
    with pytest.raises(EncoderWeightsError, match=r"mine-1\.npz\. Choose another name, or delete"):
        install_encoder(tmp_path, other)
    assert install_encoder(tmp_path, MINE) == path  # the same weights
    assert path.stat().st_mtime_ns == before


def test_a_damaged_encoder_is_not_written_over(tmp_path: Path) -> None:
    path = install_encoder(tmp_path, MINE)
    path.write_bytes(b"PK not really")
    with pytest.raises(EncoderWeightsError, match="no whole file"):
        install_encoder(tmp_path, MINE)
    assert path.read_bytes() == b"PK not really"


@pytest.mark.parametrize("said", [b"\n", b"\xff\x00", b"../mine-1"])
def test_a_choice_that_says_nothing_is_an_error(tmp_path: Path, said: bytes) -> None:
    (tmp_path / "in-use").write_bytes(said)
    with pytest.raises(EncoderWeightsError, match="names no encoder"):
        read_in_use(tmp_path)
