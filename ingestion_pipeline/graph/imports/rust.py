"""Rust: ``crate::…``, ``self::…``, ``super::…`` and paths that begin with a crate or module."""

from ingestion_pipeline.graph.paths import PathIndex, get_parent

_STANDARD = frozenset({"std", "core", "alloc", "proc_macro"})
_ROOT_FILES = ("lib.rs", "main.rs")
# Files that are the module of their folder, rather than of a folder with their own name.
_FOLDER_FILES = frozenset({"mod.rs", *_ROOT_FILES})


def _join(folder: str, *names: str) -> str:
    return "/".join((folder, *names) if folder else names)


def _get_module_folder(path: str) -> str:
    """Return the folder where the children of the module at ``path`` lie."""
    folder, _, name = path.rpartition("/")
    return folder if name in _FOLDER_FILES else _join(folder, name.removesuffix(".rs"))


def _find_crate_root(path: str, index: PathIndex) -> str:
    """Return the nearest folder above with a ``lib.rs`` or ``main.rs``, else the file's own."""
    folder = get_parent(path)
    here = folder
    while True:
        if any(_join(here, name) in index for name in _ROOT_FILES):
            return here
        if not here:
            return folder
        here = get_parent(here)


def _find_module(folder: str, parts: list[str], index: PathIndex) -> list[int]:
    """Return the file of the longest start of ``parts`` that is a module below ``folder``."""
    for length in range(len(parts), 0, -1):
        base = _join(folder, *parts[:length])
        found = index.find_first((f"{base}.rs", f"{base}/mod.rs"))
        if found:
            return found
    return []


def _find_own_file(folder: str, index: PathIndex) -> list[int]:
    """Return the file of the module whose children lie in ``folder``."""
    names = [_join(folder, name) for name in ("mod.rs", *_ROOT_FILES)]
    return index.find_first(([f"{folder}.rs"] if folder else []) + names)


def _find_crates(name: str, index: PathIndex) -> list[str]:
    """Return the source folders of the crates that a package folder of this name holds."""
    family = index.family("rust")
    found: list[str] = []
    for spelling in sorted({name, name.replace("_", "-")}):
        found += family.find_folders(f"{spelling}/src")
        found += family.find_folders(spelling)
    return [folder for folder in found if _join(folder, "lib.rs") in index]


def _resolve_relative(path: str, parts: list[str], index: PathIndex) -> list[int]:
    folder = _get_module_folder(path)
    if parts[0] == "self":
        parts = parts[1:]
        # A test's `mod common;` lies beside it: each file in tests/ is the root of a crate.
        return _find_module(folder, parts, index) or _find_module(get_parent(path), parts, index)
    while parts and parts[0] == "super":
        folder, parts = get_parent(folder), parts[1:]
    return _find_module(folder, parts, index) or _find_own_file(folder, index)


def resolve_rust(path: str, target: str, index: PathIndex) -> list[int]:
    """Return the file of the innermost module that the path names."""
    parts = [part for part in target.split("::") if part and part != "*"]
    if not parts or parts[0] in _STANDARD:
        return []
    if parts[0] in {"self", "super"}:
        return _resolve_relative(path, parts, index)
    if parts[0] == "crate":
        root = _find_crate_root(path, index)
        return _find_module(root, parts[1:], index) or _find_own_file(root, index)
    crates = _find_crates(parts[0], index)
    for folder in crates:
        found = _find_module(folder, parts[1:], index) or _find_own_file(folder, index)
        if found:
            return found
    # Since the 2018 edition a path may also begin with a module of this file.
    return _find_module(_get_module_folder(path), parts, index)
