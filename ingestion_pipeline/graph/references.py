"""Calls and inheritance: from a name that is used to the symbols it may mean.

Nothing is typed here. A name means the definitions in the same file; where there are none, those
in the files it imports; then those in the same folder; then those anywhere, provided there are at
most three. Of the many a stage may find, the first four count.

A query is a name and the file that uses it. Each stage answers all open queries at once, by binary
search in definitions that are sorted by name and then by file or by folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.graph import NodeType
from ingestion_pipeline.graph.collect import Files, ReferenceTable
from ingestion_pipeline.graph.definitions import Definitions
from ingestion_pipeline.graph.imports import FileImports
from ingestion_pipeline.graph.ranges import expand_ranges, make_offsets, number_keys

MAX_TARGETS = 4
MAX_GLOBAL_TARGETS = 3
# Pairs of a query and a file that are looked up at once: some 200 MB.
CHUNK_PAIRS = 2_000_000

Nodes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Queries:
    """Names in the files that use them.

    Args:
        names: (Q,) int64, name as a number.
        files: (Q,) int64, node of the file.
        folders: (Q,) int64, the file's folder.
    """

    names: Nodes
    files: Nodes
    folders: Nodes

    def take(self, places: Nodes) -> "Queries":
        """Return some of them."""
        return Queries(self.names[places], self.files[places], self.folders[places])


@dataclass(frozen=True, slots=True)
class Answers:
    """Query → targets: pairs, the targets of a query in order of the nodes.

    Args:
        queries: (P,) int64.
        targets: (P,) int64, nodes of symbols.
    """

    queries: Nodes
    targets: Nodes


def _find_in_file(queries: Queries, definitions: Definitions) -> Answers:
    starts, counts = definitions.find_in_files(queries.names, queries.files)
    counts = np.minimum(counts, MAX_TARGETS)
    places = expand_ranges(starts, counts)
    return Answers(np.repeat(np.arange(len(counts)), counts), definitions.symbols[places])


def _find_in_folder(queries: Queries, definitions: Definitions) -> Answers:
    starts, counts = definitions.find_in_folders(queries.names, queries.folders)
    counts = np.minimum(counts, MAX_TARGETS)
    places = expand_ranges(starts, counts)
    return Answers(np.repeat(np.arange(len(counts)), counts), definitions.by_folder[places])


def _find_anywhere(queries: Queries, definitions: Definitions) -> Answers:
    starts, counts = definitions.find_names(queries.names)
    counts = np.where(counts <= MAX_GLOBAL_TARGETS, counts, 0)
    places = expand_ranges(starts, counts)
    return Answers(np.repeat(np.arange(len(counts)), counts), definitions.symbols[places])


def _cut(costs: Nodes) -> Iterator[slice]:
    """Yield slices that cover all, each of about ``CHUNK_PAIRS``."""
    ends = np.cumsum(costs)
    start = 0
    while start < len(costs):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + CHUNK_PAIRS, "right")), start + 1)
        yield slice(start, stop)
        start = stop


def _take_first(queries: Nodes, targets: Nodes) -> Answers:
    """Keep the first ``MAX_TARGETS`` of each query; ``queries`` is sorted."""
    first = np.searchsorted(queries, queries, "left")
    kept = np.arange(len(queries)) - first < MAX_TARGETS
    return Answers(queries[kept], targets[kept])


def _pair_with_files(
    queries: Queries, definitions: Definitions, imports: FileImports
) -> Iterator[tuple[Nodes, Nodes]]:
    """Yield places of queries, sorted, and files that each imports and that may define its name.

    The shorter side is walked: a common name has thousands of files, most files few imports.
    """
    group_starts, group_counts = definitions.find_defining_files(queries.names)
    import_starts = imports.offsets[queries.files]
    import_counts = imports.offsets[queries.files + 1] - import_starts
    by_name = group_counts < import_counts
    costs = np.where(by_name, group_counts, import_counts)
    for part in _cut(costs):
        cost = costs[part]
        walked = np.where(by_name[part], group_starts[part], import_starts[part])
        places = expand_ranges(walked, cost)
        owner = np.repeat(np.arange(part.start, part.stop), cost)
        files = np.empty(len(places), np.int64)
        named = by_name[owner]
        files[named] = definitions.defining_files[places[named]]
        files[~named] = imports.targets[places[~named]]
        # Where definitions were walked the file must be imported; the others are looked up next.
        kept = ~named
        kept[named] = imports.contains(queries.files[owner[named]], files[named])
        yield owner[kept], files[kept]


def _find_in_imports(queries: Queries, definitions: Definitions, imports: FileImports) -> Answers:
    found = [Answers(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for owner, files in _pair_with_files(queries, definitions, imports):
        starts, counts = definitions.find_in_files(queries.names[owner], files)
        counts = np.minimum(counts, MAX_TARGETS)
        targets = definitions.symbols[expand_ranges(starts, counts)]
        found.append(_take_first(np.repeat(owner, counts), targets))
    return Answers(
        np.concatenate([part.queries for part in found]),
        np.concatenate([part.targets for part in found]),
    )


def resolve_names(queries: Queries, definitions: Definitions, imports: FileImports) -> Answers:
    """Return the symbols that each query may mean, at most ``MAX_TARGETS`` for each, sorted."""
    left = np.flatnonzero(definitions.find_names(queries.names)[1])
    queries_found, targets_found = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for stage in (
        _find_in_file,
        lambda some, defined: _find_in_imports(some, defined, imports),
        _find_in_folder,
        _find_anywhere,
    ):
        answers = stage(queries.take(left), definitions)
        queries_found.append(left[answers.queries])
        targets_found.append(answers.targets)
        is_open = np.ones(len(left), bool)
        is_open[answers.queries] = False
        left = left[is_open]
    found = np.concatenate(queries_found)
    order = np.argsort(found, kind="stable")
    return Answers(found[order], np.concatenate(targets_found)[order])


def _resolve(
    references: ReferenceTable,
    folders: Nodes,
    first_symbols: Nodes,
    definitions: Definitions,
    imports: FileImports,
) -> Nodes:
    file_count = len(folders)
    files = np.repeat(np.arange(file_count), references.counts)
    sources = np.where(references.owners < 0, files, first_symbols[files] + references.owners)
    keys, places = number_keys(references.names * np.int64(file_count) + files)
    query_files = keys % max(file_count, 1)
    queries = Queries(keys // max(file_count, 1), query_files, folders[query_files])
    answers = resolve_names(queries, definitions, imports)
    counts = np.bincount(answers.queries, minlength=len(keys))
    starts = make_offsets(counts)[:-1]
    found = expand_ranges(starts[places], counts[places])
    return np.stack([np.repeat(sources, counts[places]), answers.targets[found]])


def make_call_edges(
    files: Files, folders: Nodes, first_symbols: Nodes, imports: FileImports
) -> Nodes:
    """Return (2, E) from each caller, a symbol or a file's top level, to what it may call.

    Args:
        files: All files.
        folders: (F,) int64, the folder of each.
        first_symbols: (F + 1,) int64.
        imports: What each imports.
    """
    definitions = Definitions.sort(files, folders, first_symbols[0])
    return _resolve(files.calls, folders, first_symbols, definitions, imports)


def make_inheritance_edges(
    files: Files, folders: Nodes, first_symbols: Nodes, imports: FileImports
) -> Nodes:
    """Return (2, E) from each class to the classes that its bases may be; see above."""
    is_class = files.symbol_types == NodeType.CLASS
    definitions = Definitions.sort(files, folders, first_symbols[0], is_class)
    edges = _resolve(files.bases, folders, first_symbols, definitions, imports)
    return edges[:, edges[0] >= len(folders)]
