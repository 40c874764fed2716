"""Go: import paths, which mean folders."""

from ingestion_pipeline.graph.paths import MAX_FOLDER_FILES, PathIndex

# First parts of the standard library's import paths, so that "net/http" is not our folder "http".
# Source: `go list std`, Go 1.24.
_STANDARD = frozenset(
    "C archive bufio bytes cmp compress container context crypto database debug embed encoding "
    "errors expvar flag fmt go hash html image index io iter log maps math mime net os path plugin "
    "reflect regexp runtime slices sort strconv strings structs sync syscall testing text time "
    "unicode unique unsafe weak".split()
)


def resolve_go(_path: str, target: str, index: PathIndex) -> list[int]:
    """Return the first files of the folder that the longest end of the import path names."""
    parts = target.split("/")
    if parts[0] in _STANDARD:
        return []
    family = index.family("go")
    for start in range(len(parts)):
        nodes = [
            node
            for folder in family.find_folders("/".join(parts[start:]))
            for node in family.folders[folder]
            if not index.paths[node].endswith("_test.go")
        ]
        if nodes:
            return nodes[:MAX_FOLDER_FILES]
    return []
