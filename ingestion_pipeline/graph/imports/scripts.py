"""Languages that name files: C and C++, Ruby, PHP, Bash."""

import re

from ingestion_pipeline.graph.paths import PathIndex, get_parent

# "$DIR/", "${DIR}/" and "$(dirname "$0")/" stand for a folder that only running would tell.
_EXPANSION = re.compile(r"^.*(\$\w+|\$\{[^}]*\}|\$\(.*\)|`[^`]*`)/*")


def resolve_include(path: str, target: str, index: PathIndex) -> list[int]:
    """Return the header: beside the file for ``"…"``, else by the end of its path."""
    header = target.strip('<>"')
    if target.startswith('"'):
        beside = index.find_relative(get_parent(path), header, ("",))
        if beside:
            return beside
    return index.family("c").find_name(_drop_climbing(header))


def resolve_ruby(path: str, target: str, index: PathIndex) -> list[int]:
    """Return the file beside for ``require_relative``, else one below some load path."""
    kind, _, name = target.partition(":")
    if kind == "require_relative" or name.startswith("."):
        return index.find_relative(get_parent(path), name, (".rb", ""))
    return index.family("ruby").find_name(name if name.endswith(".rb") else f"{name}.rb")


def resolve_php(path: str, target: str, index: PathIndex) -> list[int]:
    r"""Return the included file, or the class's by PSR-4: ``A\B\C`` lies at ``…/B/C.php``.

    The prefix that Composer maps to a folder is not known, so leading parts are dropped until a
    file fits; a class name alone must fit exactly one.
    """
    family = index.family("php")
    if target.startswith("include:"):
        name = target.removeprefix("include:")
        beside = index.find_relative(get_parent(path), name, ("",))
        return beside or family.find_name(_drop_climbing(name))
    parts = [part for part in target.split("\\") if part]
    for start in range(len(parts) - 1):
        found = family.find_stem("/".join(parts[start:]))
        if found:
            return found
    alone = family.find_stem(parts[-1]) if len(parts) > 1 else []
    return alone if len(alone) == 1 else []


def resolve_bash(path: str, target: str, index: PathIndex) -> list[int]:
    """Return the sourced file: beside, at the root, or by what follows the last expansion."""
    name = _EXPANSION.sub("", target)
    for folder in (get_parent(path), ""):
        found = index.find_relative(folder, name, ("", ".sh", ".bash"))
        if found:
            return found
    return index.family("bash").find_name(_drop_climbing(name))


def _drop_climbing(name: str) -> str:
    """Return a path without its leading ``./`` and ``../``."""
    return re.sub(r"^(\.{0,2}/)+", "", name)
