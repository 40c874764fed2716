"""Python: ``x.y``, ``pkg.mod:name``, ``..a.b:name``."""

from ingestion_pipeline.graph.paths import PathIndex, get_parent

_ENDINGS = (".py", ".pyi", "/__init__.py", "/__init__.pyi")


def resolve_python(path: str, target: str, index: PathIndex) -> list[int]:
    """Return the modules meant: of ``a:b`` both ``a`` and, where b is a module, ``a.b``."""
    module, _, name = target.partition(":")
    names = [name] if name and name != "*" else []
    dots = len(module) - len(module.lstrip("."))
    parts = [part for part in module[dots:].split(".") if part]
    find = _find_relative if dots else _find_absolute
    start = _climb(path, dots)
    if start is None:
        return []
    found = find(start, [*parts, *names], index) if names else []
    return found + [node for node in find(start, parts, index) if node not in found]


def _climb(path: str, dots: int) -> str | None:
    """Return the folder that ``dots`` leading dots mean; None above the root."""
    folder = get_parent(path)
    for _ in range(dots - 1):
        if not folder:
            return None
        folder = get_parent(folder)
    return folder


def _find_relative(folder: str, parts: list[str], index: PathIndex) -> list[int]:
    base = "/".join([folder, *parts] if folder else parts)
    if not base:
        return index.find_first(("__init__.py", "__init__.pyi"))
    return index.find_first(base + ending for ending in _ENDINGS)


def _find_absolute(_folder: str, parts: list[str], index: PathIndex) -> list[int]:
    """Look for the module anywhere below a folder that is itself no package.

    That a top-level module cannot lie inside a package keeps ``import logging`` from meaning
    ``app/logging.py``.
    """
    if not parts:
        return []
    matches = index.family("python").find_stem("/".join(parts))
    return [node for node in matches if _is_top_level(index.paths[node], len(parts), index)]


def _is_top_level(path: str, depth: int, index: PathIndex) -> bool:
    """Tell whether the folder ``depth`` module parts above the end of ``path`` is no package."""
    is_package = path.endswith(("/__init__.py", "/__init__.pyi"))
    root = path
    for _ in range(depth + is_package):
        root = get_parent(root)
    return not root or f"{root}/__init__.py" not in index
