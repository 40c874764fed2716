"""What an installed wheel holds: data files that code reads, and no tests."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).parents[1]
DATA_SUFFIXES = {".scm", ".npz", ".gitconfig", ".html", ".css", ".js", ".svg"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel built from this checkout."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    done = subprocess.run(
        [*command, *options, str(PROJECT_ROOT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_module_and_data_file_is_in(names: set[str]) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "ingestion_pipeline"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    wanted = {name for name in listed.stdout.splitlines() if (PROJECT_ROOT / name).exists()}
    assert wanted <= names
    assert {Path(name).suffix for name in wanted} >= DATA_SUFFIXES


@pytest.mark.parametrize(
    "name",
    [
        "ingestion_pipeline/parse/queries/python.scm",
        "ingestion_pipeline/state/migrations/env.py",
        "ingestion_pipeline/state/migrations/versions/0001_first_tables.py",
        "ingestion_pipeline/embed/data/idf.npz",
        "ingestion_pipeline/api/templates/page.html",
        "ingestion_pipeline/api/static/page.css",
        "ingestion_pipeline/api/static/page.js",
    ],
)
def test_what_code_opens_by_name_is_in(names: set[str], name: str) -> None:
    assert name in names


def test_no_tests_and_nothing_of_a_run_are_in(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ingestion_pipeline"}
    assert not [name for name in names if "test" in name]
    assert any(name.endswith("licenses/LICENSE") for name in names)
