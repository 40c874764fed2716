"""Counts the frozen document frequencies: ``python -m ingestion_pipeline.embed.build_idf PATH...``.

Each PATH is a git repository (bare or not; its HEAD is read) or a plain folder. A document is one
source file; of each PATH at most ``MAX_FILES`` are read, evenly spaced by path, so that no large
repository speaks for all. Writes ``embed/data/idf.npz``, which changes every vector: raise
``ENCODER_VERSION`` with it.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.embed.hash_table import TABLE_ROWS
from ingestion_pipeline.embed.idf import IDF_RESOURCE, compute_idf

MAX_FILES = 500
MAX_SIZE_BYTES = 400_000

_SOURCE = re.compile(
    r"\.(py|pyi|js|jsx|mjs|cjs|ts|tsx|go|rs|java|c|h|cc|cpp|cxx|hpp|rb|cs|php|sh|bash)$"
)
_NOT_OURS = re.compile(
    r"(^|/)(node_modules|vendor|third_party|thirdparty|dist|\.git)/|\.min\.js$|_pb2\.py$"
)


def _is_wanted(path: str) -> bool:
    return bool(_SOURCE.search(path)) and not _NOT_OURS.search(path)


def _choose(paths: list[str]) -> list[str]:
    wanted = sorted(filter(_is_wanted, paths))
    step = max(1, -(-len(wanted) // MAX_FILES))
    return wanted[::step]


def _run_git(repository: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _is_git(path: Path) -> bool:
    return (path / ".git").exists() or (path / "HEAD").is_file()


def _read_git(repository: Path) -> Iterator[bytes]:
    listing = _run_git(repository, "ls-tree", "-r", "--name-only", "-z", "HEAD").decode()
    for path in _choose(listing.split("\0")):
        yield _run_git(repository, "cat-file", "blob", f"HEAD:{path}")


def _read_folder(folder: Path) -> Iterator[bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in _choose([file.relative_to(folder).as_posix() for file in files]):
        yield (folder / path).read_bytes()


def count_documents(path: Path) -> tuple[npt.NDArray[np.int64], int]:
    """Return how many documents below ``path`` hold each row's terms, and how many there are.

    Raises:
        NotADirectoryError: ``path`` is no folder.
    """
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is neither a git repository nor a folder.")
    frequency = np.zeros(TABLE_ROWS, np.int64)
    documents = 0
    for content in _read_git(path) if _is_git(path) else _read_folder(path):
        if len(content) > MAX_SIZE_BYTES or b"\0" in content[:8000]:
            continue
        rows = {
            hash_term(term) % TABLE_ROWS for term in split_text(content.decode(errors="replace"))
        }
        frequency[list(rows)] += 1
        documents += 1
    return frequency, documents


def main(arguments: list[str] | None = None) -> None:
    """Count, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="build_idf")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / IDF_RESOURCE)
    options = parser.parse_args(arguments)
    frequency, total = np.zeros(TABLE_ROWS, np.int64), 0
    for path in options.paths:
        found, documents = count_documents(path)
        frequency += found
        total += documents
        sys.stdout.write(f"{documents:6} documents  {path}\n")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.output, idf=compute_idf(frequency, total), documents=total)
    sys.stdout.write(f"{total:6} documents in all, {np.count_nonzero(frequency)} rows seen\n")


if __name__ == "__main__":
    main()
