"""Looking files up by path, by the end of a path, and by folder."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TypeVar

_Match = TypeVar("_Match", int, str)

# A path's end that fits more files than this says nothing.
MAX_SUFFIX_MATCHES = 3
# Files of one folder that an import of the folder leads to.
MAX_FOLDER_FILES = 8

# File names that stand for their folder.
_FOLDER_STEMS = {
    "python": {"__init__"},
    "javascript": {"index"},
}


def get_parent(path: str) -> str:
    """Return the folder of a path, "" for the root's own children."""
    return path.rpartition("/")[0]


def normalize(path: str) -> str | None:
    """Return ``path`` without ``.`` and ``..``, "" for the root; None where it leaves it."""
    clean = posixpath.normpath(path).lstrip("/") if path else "."
    if clean == ".." or clean.startswith("../"):
        return None
    return "" if clean == "." else clean


def _list_suffixes(path: str) -> list[str]:
    """Return the path and its ends at each ``/``, longest first."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


class FamilyPaths:
    """The files of one family of languages.

    Args:
        family: Its name.
        files: Path and node of each file, sorted by path.
    """

    def __init__(self, family: str, files: Sequence[tuple[str, int]]) -> None:
        self._files = files
        self._folder_stems = _FOLDER_STEMS.get(family, set())

    def _strip(self, path: str) -> str:
        stem = posixpath.splitext(path)[0]
        folder, _, name = stem.rpartition("/")
        return folder if folder and name in self._folder_stems else stem

    @cached_property
    def _by_stem(self) -> dict[str, list[int]]:
        return _index_suffixes((self._strip(path), node) for path, node in self._files)

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        return _index_suffixes(self._files)

    @cached_property
    def folders(self) -> dict[str, list[int]]:
        """Folder → its files, in order of path."""
        folders: dict[str, list[int]] = defaultdict(list)
        for path, node in self._files:
            folders[get_parent(path)].append(node)
        return dict(folders)

    @cached_property
    def _folders_by_suffix(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for folder in sorted(self.folders):
            for suffix in _list_suffixes(folder):
                found[suffix].append(folder)
        return dict(found)

    def find_stem(self, suffix: str) -> list[int]:
        """Return the files whose path without extension ends so; [] for more than a few."""
        return _few(self._by_stem.get(suffix, []))

    def find_name(self, suffix: str) -> list[int]:
        """Return the files whose path, extension included, ends so; [] for more than a few."""
        return _few(self._by_name.get(suffix, []))

    @cached_property
    def _folders_by_dotted_suffix(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for folder in sorted(self.folders):
            for suffix in _list_suffixes(folder.replace(".", "/")):
                found[suffix].append(folder)
        return dict(found)

    def find_dotted_folders(self, suffix: str) -> list[str]:
        """Return the folders whose path ends so when each ``/`` is read as a dot; [] for many."""
        return _few(self._folders_by_dotted_suffix.get(suffix.replace(".", "/"), []))

    def find_folders(self, suffix: str) -> list[str]:
        """Return the folders with files of this family whose path ends so; [] for many."""
        return _few(self._folders_by_suffix.get(suffix, []))


def _index_suffixes(files: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for path, node in files:
        for suffix in _list_suffixes(path):
            matches = found[suffix]
            if len(matches) <= MAX_SUFFIX_MATCHES:  # one more than counts, so that it shows
                matches.append(node)
    return dict(found)


def _few(matches: list[_Match]) -> list[_Match]:
    return matches if len(matches) <= MAX_SUFFIX_MATCHES else []


class PathIndex:
    """All files of a branch.

    Args:
        files: Path and family of each file, sorted by path; file i is node i.
    """

    def __init__(self, files: Sequence[tuple[str, str]]) -> None:
        self.paths = [path for path, _ in files]
        self._nodes = {path: node for node, (path, _) in enumerate(files)}
        by_family: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for node, (path, family) in enumerate(files):
            by_family[family].append((path, node))
        self._families = {name: FamilyPaths(name, found) for name, found in by_family.items()}

    def __contains__(self, path: str) -> bool:
        return path in self._nodes

    def family(self, name: str) -> FamilyPaths:
        """Return the files of one family."""
        if name not in self._families:
            self._families[name] = FamilyPaths(name, [])
        return self._families[name]

    def find_first(self, candidates: Iterable[str]) -> list[int]:
        """Return the first of the exact paths that exists, alone; [] for none."""
        for path in candidates:
            if path in self._nodes:
                return [self._nodes[path]]
        return []

    def find_relative(self, folder: str, target: str, endings: Sequence[str]) -> list[int]:
        """Return the file at ``target`` seen from ``folder``, with the first ending that exists."""
        base = normalize(f"{folder}/{target}" if folder else target)
        if base is None:
            return []
        return self.find_first((base + ending).lstrip("/") for ending in endings)
