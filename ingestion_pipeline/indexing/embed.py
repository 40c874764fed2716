"""Step 3: the graph of every changed branch, and a vector for every node."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingestion_pipeline.artifacts.records_file import RecordsReader
from ingestion_pipeline.artifacts.vectors import release_pages
from ingestion_pipeline.core.graph import GraphStructure
from ingestion_pipeline.core.records import FileStructure
from ingestion_pipeline.embed.codemap import project_2d, render_code_map
from ingestion_pipeline.embed.digests import digest_groups
from ingestion_pipeline.graph import build_structure
from ingestion_pipeline.indexing.changes import BranchChanges, load_changes
from ingestion_pipeline.indexing.graph_vectors import (
    GraphVectors,
    create_words,
    load_graph_vectors,
    save_heard,
)
from ingestion_pipeline.indexing.handles import (
    ClonedBranch,
    ClonedRepository,
    EmbeddedRepository,
    ParsedRepository,
)
from ingestion_pipeline.indexing.heard_cache import HeardCache, Remembered
from ingestion_pipeline.indexing.layout import VectorLayout, save_layout
from ingestion_pipeline.indexing.moved import find_moved, save_moved
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.record_cache import RecordCache, VectorCache
from ingestion_pipeline.indexing.relations import make_relations
from ingestion_pipeline.indexing.words import WordEmbedder
from ingestion_pipeline.indexing.work_disk import explaining_full_disk

if TYPE_CHECKING:
    from ingestion_pipeline.embed.encoder import Encoder

_DOMINANT_SHARE = 0.6
# A picture of a branch in which less has changed would look like the last one.
_CODE_MAP_SHARE = 0.05


def embed_repository(
    parsed: ParsedRepository,
    load_encoder: Callable[[], "Encoder"],
    records: RecordCache,
    vectors: VectorCache,
    heard: HeardCache,
    progress: Progress,
) -> EmbeddedRepository:
    """Build and encode the graph of every changed branch.

    Args:
        parsed: What the parse step found.
        load_encoder: Called once, and not at all when nothing changed (it imports torch).
        records: For what changed files said before.
        vectors: Word vectors that are known already; may be deleted at any time.
        heard: What nodes heard of their neighbours before; likewise.
        progress: Told of every file.

    Raises:
        ArtifactError: A file of the step before is missing or damaged.
        WorkDiskFullError: There is no room for the vectors.
    """
    begin = time.perf_counter()
    step = _EmbedStep(parsed.cloned, load_encoder, records, vectors, heard, progress)
    map_path: Path | None = None
    for branch in progress.share_among(parsed.cloned.changed_branches):
        changes = load_changes(branch.changes_path)
        with explaining_full_disk(parsed.cloned.work_folder):
            structure, embedded = step.run(branch, changes)
            if map_path is None and _is_worth_a_map(changes):
                path = parsed.cloned.work_folder / "code_map.png"
                map_path = _write_code_map(path, structure.paths, embedded)
    if parsed.cloned.branches:
        known = {branch.branch for branch in parsed.cloned.branches}
        known.update(parsed.cloned.repository.tracked_branches)
        heard.keep_only(parsed.cloned.repository.source, known)
    return EmbeddedRepository(
        parsed,
        step.nodes,
        dict(step.edges),
        {name: (files, step.symbols[name]) for name, files in step.files.most_common()},
        step.points_embedded,
        map_path,
        time.perf_counter() - begin,
        step.passes_messages,
    )


class _EmbedStep:
    def __init__(
        self,
        cloned: ClonedRepository,
        load_encoder: Callable[[], "Encoder"],
        records: RecordCache,
        vectors: VectorCache,
        heard: HeardCache,
        progress: Progress,
    ) -> None:
        self._cloned = cloned
        self._load_encoder = load_encoder
        self._records = records
        self._vectors = vectors
        self._heard = heard
        self._progress = progress
        self.nodes = 0
        self.edges: Counter[str] = Counter()
        self.files: Counter[str] = Counter()
        self.symbols: Counter[str] = Counter()
        self.points_embedded = 0
        self.passes_messages = False

    def run(
        self, branch: ClonedBranch, changes: BranchChanges
    ) -> tuple[GraphStructure, GraphVectors]:
        """Embed one branch into its work folder; return its graph and its vectors."""
        self._progress.start(0, f"graph of {branch.branch}")
        anew = self._cloned.options.full_reindex
        with RecordsReader(branch.records_path) as reader:
            structure = build_structure(self._tally(reader.iterate_structures()))
            make_relations(branch, structure)
            layout = VectorLayout.of(structure, reader.entries)
            encoder = self._load_encoder()
            words = WordEmbedder(encoder, reader, self._records, self._vectors, self._progress)
            h = create_words(branch, structure.node_count)
            self._progress.start(len(structure.paths), f"embedding {branch.branch}")
            words.fill(h, layout, changes, anew=anew)
            words.fill_directories(h, structure)
        self._progress.say(f"messages of {branch.branch}")
        self.points_embedded += words.points_embedded
        self.passes_messages = encoder.passes_messages
        self.nodes += structure.node_count
        self.edges.update({r.value: pairs.shape[1] for r, pairs in structure.edges.items()})
        self._hear(encoder, branch, structure, h, anew=anew)
        save_layout(branch.layout_path, layout)
        return structure, load_graph_vectors(branch)

    def _hear(
        self,
        encoder: "Encoder",
        branch: ClonedBranch,
        structure: GraphStructure,
        h: np.memmap,
        *,
        anew: bool,
    ) -> None:
        """Pass the messages, reusing what was heard before, and write down what moved."""
        source = self._cloned.repository.source
        is_known = encoder.passes_messages and not anew
        before = self._heard.load(source, branch.branch) if is_known else None
        heard = encoder.hear(structure.edges, h, before.heard if before else None)
        h.flush()
        release_pages(h)
        save_heard(branch, heard, encoder.make_projection())
        if heard is None:
            return
        files = digest_groups(heard.digest_nodes(), structure.files, len(structure.paths))
        fingerprint = self._cloned.fingerprint
        # A second look at the head that is indexed may find something else (a file that could not
        # be parsed then) and be cut off before it writes: it must not pass for the one that wrote.
        head_sha = branch.head_sha if branch.head_sha != branch.indexed_sha else ""
        now = Remembered(head_sha, fingerprint, list(structure.paths), files, heard)
        save_moved(branch, find_moved(before, now))
        self._heard.save(source, branch.branch, now)

    def _tally(
        self, files: Iterable[tuple[str, str, FileStructure]]
    ) -> Iterator[tuple[str, FileStructure]]:
        for path, _, structure in files:
            self.files[structure.language] += 1
            self.symbols[structure.language] += len(structure.names)
            yield path, structure


def _is_worth_a_map(changes: BranchChanges) -> bool:
    return len(changes.to_write) >= _CODE_MAP_SHARE * len(changes.entries)


def _write_code_map(path: Path, files: Sequence[str], vectors: GraphVectors) -> Path | None:
    if len(files) < 3:
        return None  # two dots are no map
    of_files = vectors.take(slice(len(files)))
    path.write_bytes(render_code_map(project_2d(of_files), choose_folders(files)))
    return path


def choose_folders(paths: Sequence[str]) -> list[str]:
    """Return the folder that colours each file, at the depth that tells the files apart.

    Most projects keep nearly everything below one folder; its own folders then say more.

    Args:
        paths: Repository paths of files.

    Returns:
        A folder a path, in order, "" for the root.
    """
    parents = [path.split("/")[:-1] for path in paths]
    depth, folders = 1, ["/".join(parts[:1]) for parts in parents]
    while True:
        [(_, largest)] = Counter(folders).most_common(1)
        deeper = ["/".join(parts[: depth + 1]) for parts in parents]
        if largest <= len(paths) * _DOMINANT_SHARE or deeper == folders:
            return folders
        depth, folders = depth + 1, deeper
