"""Facts written by hand, and what a graph says in names instead of numbers."""

from collections.abc import Sequence

from ingestion_pipeline.core.code import FileFacts, Reference, Symbol, SymbolKind
from ingestion_pipeline.core.graph import CodeGraph, Relation
from ingestion_pipeline.core.terms import count_terms, split_text

LANGUAGES = {
    "bash": "bash",
    "c": "c",
    "cc": "cpp",
    "cs": "csharp",
    "go": "go",
    "h": "c",
    "hpp": "cpp",
    "java": "java",
    "js": "javascript",
    "md": "markdown",
    "php": "php",
    "py": "python",
    "pyi": "python",
    "rb": "ruby",
    "rs": "rust",
    "sh": "bash",
    "ts": "typescript",
    "tsx": "typescript",
}


def _make_symbol(key: str, index: dict[str, int], body: str) -> Symbol:
    outer, _, name = key.rpartition(".")
    is_class = name[:1].isupper()
    plain = SymbolKind.METHOD if outer else SymbolKind.FUNCTION
    return Symbol(
        kind=SymbolKind.CLASS if is_class else plain,
        name=name.partition("#")[0],
        key=key,
        signature=f"def {name}",
        docstring="",
        start_line=1 + len(index),
        end_line=1 + len(index),
        parent=index.get(outer, -1),
        body_terms=count_terms(split_text(body)),
    )


def make_file(
    path: str,
    *symbols: str,
    imports: Sequence[str] = (),
    calls: Sequence[tuple[str, str]] = (),
    bases: Sequence[tuple[str, str]] = (),
    body: str = "",
    doc: str = "",
    bodies: dict[str, str] | None = None,
) -> FileFacts:
    """Make the facts of a file.

    Args:
        path: Its extension says the language.
        symbols: Keys; a capital makes a class, a dot a member.
        imports: Targets as the parser writes them.
        calls: Key of the caller ("" for the file), name called.
        bases: Key of the class, name of the base.
        body: Words of the file.
        doc: Words of its comments.
        bodies: Key → words of that symbol.
    """
    index: dict[str, int] = {}
    made: list[Symbol] = []
    for key in symbols:
        made.append(_make_symbol(key, index, (bodies or {}).get(key, "")))
        index[key] = len(index)
    find = {"": -1, **index}
    return FileFacts(
        path=path,
        blob_sha=f"sha of {path}",
        language=LANGUAGES.get(path.rpartition(".")[2], "text"),
        size_bytes=1,
        line_count=len(symbols),
        symbols=tuple(made),
        imports=tuple(imports),
        calls=tuple(Reference(find[owner], name) for owner, name in calls),
        bases=tuple(Reference(find[owner], name) for owner, name in bases),
        body_terms=count_terms(split_text(body)),
        doc_terms=count_terms(split_text(doc)),
    )


def name_nodes(graph: CodeGraph) -> list[str]:
    """Return a name a node: its path, ``path::key`` for symbols, a final ``/`` for directories."""
    columns = (graph.nodes[c].tolist() for c in ("path", "symbol", "kind"))
    return [
        path + (f"::{key}" if key else "") + ("/" if kind == "directory" else "")
        for path, key, kind in zip(*columns, strict=True)
    ]


def name_edges(graph: CodeGraph, relation: Relation) -> set[tuple[str, str]]:
    """Return the edges of a relation as pairs of node names."""
    names = name_nodes(graph)
    return {(names[source], names[target]) for source, target in graph.edges[relation].T.tolist()}
