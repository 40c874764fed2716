"""The code map: stable components, and a picture whatever the folders are called."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ingestion_pipeline.embed import codemap, project_2d, render_code_map

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RNG = np.random.default_rng(5)


def test_the_projection_keeps_the_two_widest_directions() -> None:
    spread = RNG.normal(size=(400, 6)) * [9, 5, 0.1, 0.1, 0.1, 0.1]
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0]

    points = project_2d((spread @ turn + 3).astype(np.float32))

    assert points.shape == (400, 2)
    assert points.dtype == np.float32
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-3)
    for column in range(2):
        correlation = np.corrcoef(points[:, column], spread[:, column])[0, 1]
        assert abs(correlation) > 0.99


def test_the_sign_is_fixed_and_the_order_of_rows_does_not_matter() -> None:
    vectors = RNG.normal(size=(300, 8)).astype(np.float32)
    order = RNG.permutation(300)
    np.testing.assert_allclose(project_2d(vectors[order]), project_2d(vectors)[order], atol=1e-4)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = RNG.normal(size=(50, 8)).astype(np.float32)
    whole = project_2d(vectors)
    monkeypatch.setattr(codemap, "_SUM_ROWS", 7)
    np.testing.assert_allclose(project_2d(vectors), whole, atol=1e-5)


def test_fewer_rows_than_dimensions_lie_as_more_would() -> None:
    few = (RNG.normal(size=(20, 30)) * np.linspace(9, 1, 30)).astype(np.float32)
    twice = np.tile(few, (2, 1))  # the same mean and components, from the covariance
    np.testing.assert_allclose(project_2d(few), project_2d(twice)[:20], atol=1e-4)


@pytest.mark.parametrize("shape", [(0, 256), (1, 256), (5, 1)])
def test_too_little_to_spread(shape: tuple[int, int]) -> None:
    assert project_2d(np.ones(shape, np.float32)).tolist() == [[0.0, 0.0]] * shape[0]


def test_equal_vectors_meet_in_one_point() -> None:
    np.testing.assert_allclose(project_2d(np.ones((4, 8), np.float32)), 0, atol=1e-6)


def test_a_memory_map_will_do(tmp_path: Path) -> None:
    vectors = RNG.normal(size=(20, 8)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    np.testing.assert_array_equal(project_2d(mapped), project_2d(vectors))


@pytest.mark.parametrize(
    "folders",
    [
        [],
        [""],
        ["src"] * 30,
        [f"folder{n}" for n in range(30)],
        ["_hidden", "__pycache__", "$HOME$", "資料", "\udcff", "a" * 300, "x_{", "\n", "%"],
    ],
)
def test_any_folders_make_a_picture(folders: list[str]) -> None:
    points = RNG.normal(size=(len(folders), 2)).astype(np.float32)
    assert render_code_map(points, folders).startswith(PNG_SIGNATURE)


def test_the_same_picture_twice() -> None:
    points = RNG.normal(size=(90, 2)).astype(np.float32)
    folders = [f"f{n % 12}" for n in range(90)]
    assert render_code_map(points, folders) == render_code_map(points, folders)


def test_of_many_points_a_fixed_number_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = codemap._draw_folder

    def record(axes: object, dots: np.ndarray, colour: str, label: str) -> None:
        drawn.append(len(dots))
        draw(axes, dots, colour, label)  # type: ignore[arg-type]

    monkeypatch.setattr(codemap, "_draw_folder", record)
    points = RNG.normal(size=(12_345, 2)).astype(np.float32)
    render_code_map(points, [f"f{n % 20}" for n in range(12_345)])

    assert sum(drawn) == 5000


def test_folders_must_match_points() -> None:
    with pytest.raises(ValueError, match="2 points but 1 folders"):
        render_code_map(np.zeros((2, 2), np.float32), ["a"])


def test_no_figure_stays_open() -> None:
    code = (
        "import sys, numpy as np\n"
        "from ingestion_pipeline.embed import render_code_map\n"
        "render_code_map(np.zeros((1, 2), np.float32), ['a'])\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
