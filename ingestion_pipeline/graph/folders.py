"""Directories, and what contains what."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.graph.collect import Files
from ingestion_pipeline.graph.paths import get_parent


@dataclass(frozen=True, slots=True)
class Folders:
    """The directories of a branch: none without a file below it.

    Args:
        paths: Sorted, "" for the root.
        of_files: (F,) int64, place in ``paths`` of the folder that each file lies in.
        parents: (D,) int64, place in ``paths`` of the directory above each, -1 for the root.
    """

    paths: list[str]
    of_files: npt.NDArray[np.int64]
    parents: npt.NDArray[np.int64]


def find_folders(paths: list[str]) -> Folders:
    """Return the directories above the files."""
    of_files = [get_parent(path) for path in paths]
    found: set[str] = set()
    for folder in set(of_files):
        while folder not in found:
            found.add(folder)
            folder = get_parent(folder)
    folders = sorted(found)
    places = {path: place for place, path in enumerate(folders)}
    parents = [places[get_parent(path)] if path else -1 for path in folders]
    return Folders(
        paths=folders,
        of_files=np.array([places[path] for path in of_files], np.int64),
        parents=np.array(parents, np.int64),
    )


def make_contains_edges(
    files: Files, folders: Folders, first_symbols: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return (2, E) from each container: directory to child, file or symbol to symbol."""
    file_count = len(files.paths)
    first_folder = first_symbols[-1]
    inner = np.flatnonzero(folders.parents >= 0)
    owner = np.repeat(np.arange(file_count), files.symbol_counts)
    enclosing = np.where(files.parents < 0, owner, first_symbols[owner] + files.parents)
    sources = [first_folder + folders.parents[inner], first_folder + folders.of_files, enclosing]
    targets = [first_folder + inner, np.arange(file_count), np.arange(file_count, first_folder)]
    return np.stack([np.concatenate(sources), np.concatenate(targets)])
