"""Step 3: the graph of every changed branch, and a vector for every node."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.records_file import RecordsReader
from ingestion_pipeline.artifacts.vectors import create_vectors, release_pages
from ingestion_pipeline.core.graph import GraphStructure
from ingestion_pipeline.core.records import FileStructure
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.embed.adjacency import Adjacency
from ingestion_pipeline.embed.codemap import project_2d, render_code_map
from ingestion_pipeline.graph import build_structure
from ingestion_pipeline.indexing.changes import BranchChanges, load_changes
from ingestion_pipeline.indexing.handles import ClonedBranch, EmbeddedRepository, ParsedRepository
from ingestion_pipeline.indexing.layout import VectorLayout, save_layout
from ingestion_pipeline.indexing.message_memo import MessageMemo, MessageMemos, save_memo
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
_CHUNK_NODES = 8192


def embed_repository(
    parsed: ParsedRepository,
    load_encoder: Callable[[], "Encoder"],
    records: RecordCache,
    vectors: VectorCache,
    progress: Progress,
    memos: MessageMemos | None = None,
) -> EmbeddedRepository:
    """Build and encode the graph of every changed branch.

    Args:
        parsed: What the parse step found.
        load_encoder: Called once, and not at all when nothing changed (it imports torch).
        records: For what changed files said before.
        vectors: Word vectors that are known already; may be deleted at any time.
        progress: Told of every file.
        memos: What earlier syncs computed; None for nothing.

    Raises:
        ArtifactError: A file of the step before is missing or damaged.
        WorkDiskFullError: There is no room for the vectors.
    """
    begin = time.perf_counter()
    step = _EmbedStep(load_encoder, records, vectors, progress)
    source = parsed.cloned.repository.source
    map_path: Path | None = None
    for branch in parsed.cloned.changed_branches:
        changes = load_changes(branch.changes_path)
        with explaining_full_disk(parsed.cloned.work_folder):
            anew = parsed.cloned.options.full_reindex
            known = None
            if memos is not None and branch.indexed_sha and not anew and not branch.rewrite:
                known = memos.find(source, branch.branch, branch.indexed_sha)
            structure, embedded = step.run(branch, changes, known, anew=anew)
            if map_path is None and _is_worth_a_map(changes):
                path = parsed.cloned.work_folder / "code_map.png"
                map_path = _write_code_map(path, structure.paths, embedded)
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
        load_encoder: Callable[[], "Encoder"],
        records: RecordCache,
        vectors: VectorCache,
        progress: Progress,
    ) -> None:
        self._load_encoder = load_encoder
        self._records = records
        self._vectors = vectors
        self._progress = progress
        self.nodes = 0
        self.edges: Counter[str] = Counter()
        self.files: Counter[str] = Counter()
        self.symbols: Counter[str] = Counter()
        self.points_embedded = 0
        self.passes_messages = False

    def run(
        self,
        branch: ClonedBranch,
        changes: BranchChanges,
        known: MessageMemo | None,
        *,
        anew: bool,
    ) -> tuple[GraphStructure, npt.NDArray[np.float32]]:
        """Embed one branch into its work folder; return its graph and (N, D) vectors."""
        self._progress.start(len(changes.entries), f"graph of {branch.branch}")
        words_path = branch.folder / "words.npy"
        with RecordsReader(branch.records_path) as reader:
            structure = build_structure(self._tally(reader.iterate_structures()))
            make_relations(branch, structure)
            layout = VectorLayout.of(structure, reader.entries)
            encoder = self._load_encoder()
            words = WordEmbedder(encoder, reader, self._records, self._vectors, self._progress)
            h = create_vectors(words_path, structure.node_count, ENCODER_DIM, np.float16)
            self._progress.start(len(structure.paths), f"embedding {branch.branch}")
            words.fill(h, layout, changes, anew=anew)
            words.fill_directories(h, structure)
        self.points_embedded += words.points_embedded
        self.passes_messages = encoder.passes_messages
        self.nodes += structure.node_count
        self.edges.update({r.value: pairs.shape[1] for r, pairs in structure.edges.items()})
        vectors = create_vectors(branch.vectors_path, structure.node_count, ENCODER_DIM, np.float32)
        written = [f for f, place in layout if reader.entries[place][0] in changes.to_write]
        if encoder.passes_messages:
            _pass_messages(encoder, structure, layout, h, vectors, written, branch, known)
        else:  # nobody asks for the others: without messages they are what they were
            asked = _list_rows(layout, written)
            for start in range(0, len(asked), _CHUNK_NODES):
                rows = asked[start : start + _CHUNK_NODES]
                vectors[rows] = encoder.finish(h[rows])
                release_pages(vectors)
                release_pages(h)
        vectors.flush()
        words_path.unlink()
        save_layout(branch.layout_path, layout)
        return structure, vectors

    def _tally(
        self, files: Iterable[tuple[str, str, FileStructure]]
    ) -> Iterator[tuple[str, FileStructure]]:
        for path, _, structure in files:
            self.files[structure.language] += 1
            self.symbols[structure.language] += len(structure.names)
            self._progress.advance(path)
            yield path, structure


def _list_rows(layout: VectorLayout, files: Iterable[int]) -> npt.NDArray[np.int64]:
    """Return the rows of all files, and of the symbols of these, sorted."""
    rows = [layout.rows_of(file)[1:] for file in files]
    return np.sort(np.concatenate([np.arange(layout.file_count), *rows]))


def _pass_messages(
    encoder: "Encoder",
    structure: GraphStructure,
    layout: VectorLayout,
    h: np.memmap,
    vectors: np.memmap,
    written: Sequence[int],
    branch: ClonedBranch,
    known: MessageMemo | None,
) -> None:
    """Fill in the vectors of all files, and of the symbols of those that are written or moved.

    Args:
        encoder: With layers.
        structure: N nodes.
        layout: Which of them are whose.
        h: (N, D), before any message.
        vectors: (N, D), to be filled.
        written: Files that are written anyway.
        branch: Its work folder gets the memo and, where the others are known to be as they were,
            the files of which a vector moved.
        known: What the last sync knew.
    """
    adjacency = Adjacency(structure.edges, structure.node_count)
    keys = encoder.make_message_keys(adjacency, h)
    files = layout.file_count
    done = False
    if known is not None:
        moved = structure.files[known.find_moved(keys)]
        moved = np.unique(moved[moved >= 0])
        rows = known.find_files(keys[:files])
        computed = np.unique(np.concatenate([moved, written, np.flatnonzero(rows < 0)]))
        wanted = _list_rows(layout, computed.astype(np.int64).tolist())
        kept = np.setdiff1d(np.arange(files), computed)
        wanted = np.setdiff1d(wanted, kept)
        passed = encoder.pass_messages_to(adjacency, h, wanted)
        if passed is not None:
            vectors[wanted] = encoder.finish(passed)
            vectors[kept] = known.file_vectors[rows[kept]]
            np.save(branch.moved_path, moved)
            done = True
    if not done:
        after = encoder.pass_messages(structure.edges, structure.node_count, h)
        assert after is not None, "the encoder has layers"
        encoder.finish(after, out=vectors)
    save_memo(branch.memo_path, keys, np.asarray(vectors[:files]))


def _is_worth_a_map(changes: BranchChanges) -> bool:
    return len(changes.to_write) >= _CODE_MAP_SHARE * len(changes.entries)


def _write_code_map(
    path: Path, files: Sequence[str], vectors: npt.NDArray[np.float32]
) -> Path | None:
    if len(files) < 3:
        return None  # two dots are no map
    of_files = np.asarray(vectors[: len(files)])
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
