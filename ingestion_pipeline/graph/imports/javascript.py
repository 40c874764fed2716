"""JavaScript and TypeScript: module strings."""

from ingestion_pipeline.graph.paths import PathIndex, get_parent

_EXTENSIONS = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts", ".d.ts")
_ENDINGS = ("", *_EXTENSIONS, *(f"/index{extension}" for extension in _EXTENSIONS))
# TypeScript sources are imported by the name of what they compile to.
_COMPILED = {".js": (".ts", ".tsx"), ".mjs": (".mts",), ".cjs": (".cts",), ".jsx": (".tsx",)}
# What bundlers are configured to take for the source folder by custom.
_SOURCE_ALIASES = ("@/", "~/")


def resolve_javascript(path: str, target: str, index: PathIndex) -> list[int]:
    """Return the file meant by a relative module or by ``@/…``; packages are not looked for."""
    target = target.partition("?")[0]
    if target.startswith(_SOURCE_ALIASES):
        return _find_aliased(target[2:], index)
    if not target.startswith("."):
        return []
    folder = get_parent(path)
    found = index.find_relative(folder, target, _ENDINGS)
    for ending, sources in _COMPILED.items():
        if not found and target.endswith(ending):
            found = index.find_relative(folder, target.removesuffix(ending), sources)
    return found


def _find_aliased(target: str, index: PathIndex) -> list[int]:
    stem = target
    for extension in _EXTENSIONS:
        stem = stem.removesuffix(extension)
    matches = index.family("javascript").find_stem(stem.removesuffix("/index"))
    return matches if len(matches) == 1 else []
