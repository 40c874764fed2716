"""Java and C#: dotted names."""

from ingestion_pipeline.graph.paths import MAX_FOLDER_FILES, PathIndex

_CSHARP_PLATFORM = ("System", "Microsoft")


def resolve_java(_path: str, target: str, index: PathIndex) -> list[int]:
    """Return the file of a class, of a static member's class, or the first of a package's."""
    family = index.family("java")
    parts = target.split(".")
    if parts[-1] == "*":
        package = "/".join(parts[:-1])
        nodes = [n for folder in family.find_folders(package) for n in family.folders[folder]]
        # ``import static a.b.C.*`` names a class with the same spelling.
        return nodes[:MAX_FOLDER_FILES] or family.find_stem(package)
    return family.find_stem("/".join(parts)) or family.find_stem("/".join(parts[:-1]))


def resolve_csharp(_path: str, target: str, index: PathIndex) -> list[int]:
    """Return the files of the folder that spells the namespace, where they are few.

    Folders are compared with their dots and slashes alike (``src/Acme.Web/Models`` is
    ``Acme.Web.Models``). A leading root namespace that no folder repeats may be missing, provided
    that one folder alone is left.
    """
    parts = target.split(".")
    if parts[0] in _CSHARP_PLATFORM:
        return []
    family = index.family("csharp")
    for start in range(len(parts)):
        folders = family.find_dotted_folders(".".join(parts[start:]))
        if start and len(folders) > 1:
            return []
        nodes = [node for folder in folders for node in family.folders[folder]]
        if nodes:
            return nodes if len(nodes) <= MAX_FOLDER_FILES else []
    return []
