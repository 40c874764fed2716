"""The symbols of a branch by name, then by file and by folder, for binary search."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.graph.collect import Files
from ingestion_pipeline.graph.ranges import sort_unique

Integers = npt.NDArray[np.int64]
Ranges = tuple[Integers, Integers]


def _search(keys: Integers, wanted: Integers) -> Ranges:
    """Return where each wanted key begins in sorted ``keys``, and how often it stands there."""
    starts = np.searchsorted(keys, wanted, "left")
    return starts, np.searchsorted(keys, wanted, "right") - starts


@dataclass(frozen=True, slots=True)
class Definitions:
    """Symbols that a name may mean; every look-up takes and returns arrays.

    Args:
        symbols: (S,) int64, nodes sorted by name and node.
        names: (S,) int64, the name of each.
        defining_files: (G,) int64, the distinct files of each name, sorted by name and file.
        by_folder: (S,) int64, nodes sorted by name, folder and node.
    """

    symbols: Integers
    names: Integers
    defining_files: Integers
    by_folder: Integers
    _group_names: Integers
    _file_keys: Integers
    _folder_keys: Integers
    _file_count: int
    _folder_count: int

    @classmethod
    def sort(
        cls,
        files: Files,
        folders: Integers,
        first_symbol: int,
        chosen: npt.NDArray[np.bool_] | None = None,
    ) -> "Definitions":
        """Make the look-up.

        Args:
            files: All files.
            folders: (F,) int64, the folder of each.
            first_symbol: Node of the first symbol.
            chosen: (S,) bool, which symbols count; None for all.
        """
        file_count = len(folders)
        folder_count = int(folders.max(initial=-1)) + 1
        places = np.arange(len(files.defined)) if chosen is None else np.flatnonzero(chosen)
        names = files.defined[places].astype(np.int64)
        owners = np.repeat(np.arange(file_count), files.symbol_counts)[places]
        # Symbols are numbered file by file, so that this order is that by name and file too.
        order = np.argsort(names, kind="stable")
        places, names, owners = places[order], names[order], owners[order]
        file_keys = names * file_count + owners
        groups = sort_unique(file_keys)
        folder_keys = names * folder_count + folders[owners]
        by_folder = np.argsort(folder_keys, kind="stable")
        return cls(
            symbols=places + first_symbol,
            names=names,
            defining_files=groups % max(file_count, 1),
            by_folder=places[by_folder] + first_symbol,
            _group_names=groups // max(file_count, 1),
            _file_keys=file_keys,
            _folder_keys=folder_keys[by_folder],
            _file_count=file_count,
            _folder_count=folder_count,
        )

    def find_names(self, names: Integers) -> Ranges:
        """Return the range of each name in ``symbols``: starts and counts."""
        return _search(self.names, names)

    def find_in_files(self, names: Integers, files: Integers) -> Ranges:
        """Return the range of each name in each file in ``symbols``."""
        return _search(self._file_keys, names * self._file_count + files)

    def find_in_folders(self, names: Integers, folders: Integers) -> Ranges:
        """Return the range of each name in each folder in ``by_folder``."""
        return _search(self._folder_keys, names * self._folder_count + folders)

    def find_defining_files(self, names: Integers) -> Ranges:
        """Return the range of each name in ``defining_files``."""
        return _search(self._group_names, names)
