"""What the steps hand to each other: names of files and small facts, never content."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.indexing.changes import ChangeCounts
from ingestion_pipeline.indexing.rules import SyncOptions


@dataclass(frozen=True, slots=True)
class ClonedBranch:
    """One branch after the fetch.

    Args:
        branch: Its name.
        head_sha: Commit to index.
        indexed_sha: Commit that the index said before, "" when it was not whole.
        unchanged: The points of all files are as they should be; only the branch's own point moves.
        rewrite: The store does not hold what the state says; write every point.
        folder: Where this branch's files of this run are.
        counts: Files by what happened to them.
        skipped: Reason → files left out by their names alone.
        notes: What a person should know of this branch's ignore files.
    """

    branch: str
    head_sha: str
    indexed_sha: str
    unchanged: bool
    rewrite: bool
    folder: Path
    counts: ChangeCounts = field(default_factory=ChangeCounts)
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    notes: tuple[str, ...] = ()

    @property
    def changes_path(self) -> Path:
        """What has to be done."""
        return self.folder / "changes.msgpack"

    @property
    def commits_path(self) -> Path:
        """Which files the newest commits changed."""
        return self.folder / "commits.msgpack"

    @property
    def relations_path(self) -> Path:
        """How the files belong together."""
        return self.folder / "relations"

    @property
    def records_path(self) -> Path:
        """The parser's records of all files."""
        return self.folder / "records"

    @property
    def skipped_path(self) -> Path:
        """Files that the parser left out, and why."""
        return self.folder / "skipped.msgpack"

    @property
    def layout_path(self) -> Path:
        """Which row of the vectors is whose."""
        return self.folder / "layout.npz"

    @property
    def words_path(self) -> Path:
        """What each node's own words say."""
        return self.folder / "words.npy"

    @property
    def projection_path(self) -> Path:
        """What the heard is multiplied with."""
        return self.folder / "projection.npy"

    @property
    def moved_path(self) -> Path:
        """Files of which a vector is another than in an earlier sync."""
        return self.folder / "moved.msgpack"

    def heard_path(self, layer: int) -> Path:
        """What each node heard in a layer."""
        return self.folder / f"heard-{layer}.npy"


@dataclass(frozen=True, slots=True)
class ClonedRepository:
    """The result of the clone step.

    Args:
        repository: As the host described it just before the fetch.
        branches: Branches to index.
        missing_branches: Tracked branches that the host does not have.
        work_folder: The run's folder.
        started_at: When the sync began, UTC.
        seconds: How long the step took.
        commits_pulled: Commits that the fetch brought; None where git cannot tell.
        options: How the sync was asked for.
        fingerprint: Of the pipeline and the rules by which the branches were compared.
    """

    repository: TrackedRepository
    branches: tuple[ClonedBranch, ...]
    missing_branches: tuple[str, ...]
    work_folder: Path
    started_at: datetime
    seconds: float
    commits_pulled: int | None = None
    options: SyncOptions = field(default_factory=SyncOptions)
    fingerprint: str = ""

    @property
    def pushed_at(self) -> str:
        """The host's own string, "" when it has none."""
        return self.repository.hosted.pushed_at or ""

    @property
    def is_full(self) -> bool:
        """Whether every file is looked at: a first index, or one that was asked for."""
        new = all(not branch.indexed_sha for branch in self.branches)
        return self.options.full_reindex or new

    @property
    def is_partial(self) -> bool:
        """Whether tracked branches were left out, so that the rest may be stale still."""
        chosen = self.options.branches
        return bool(chosen) and not set(self.repository.tracked_branches).issubset(chosen)

    @property
    def counts(self) -> ChangeCounts:
        """Files of all branches by what happened to them."""
        return sum((branch.counts for branch in self.branches), ChangeCounts())

    @property
    def changed_branches(self) -> tuple[ClonedBranch, ...]:
        """The branches that parse and embed have to look at."""
        return tuple(branch for branch in self.branches if not branch.unchanged)


@dataclass(frozen=True, slots=True)
class ParsedRepository:
    """The result of the parse step.

    Args:
        cloned: The step before.
        files_parsed: Files that went through the parser.
        files_cached: Files whose record was there already.
        skipped: Reason → files left out for it.
        seconds: How long the step took.
    """

    cloned: ClonedRepository
    files_parsed: int = 0
    files_cached: int = 0
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EmbeddedRepository:
    """The result of the embed step.

    Args:
        parsed: The step before.
        nodes: Nodes of all graphs.
        edges: Relation → edges.
        languages: Language → (files, symbols).
        points_embedded: Points whose vector was computed from their words, the cache not knowing.
        code_map_path: PNG of the embeddings in two dimensions, None when little changed.
        seconds: How long the step took.
        passes_messages: Whether a vector may have moved though its file did not change.
    """

    parsed: ParsedRepository
    nodes: int
    edges: dict[str, int]
    languages: dict[str, tuple[int, int]]
    points_embedded: int
    code_map_path: Path | None
    seconds: float
    passes_messages: bool = False


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did, for the materialization's metadata and the history.

    Args:
        embedded: The steps before.
        heads: Branch → head that is now indexed.
        files: Files with points, all branches together, looked at or not.
        symbols: Symbols with points, likewise.
        points: Points of the repository now.
        added: Points that were not there.
        changed: Points that were rewritten.
        deleted: Points that went.
        unchanged: Points left alone.
        indexed_at: When the points were written, UTC.
        seconds: How long the step took.
    """

    embedded: EmbeddedRepository
    heads: dict[str, str]
    files: int
    symbols: int
    points: int
    added: int
    changed: int
    deleted: int
    unchanged: int
    indexed_at: datetime
    seconds: float

    @property
    def seconds_by_stage(self) -> dict[str, float]:
        """Stage → seconds."""
        parsed = self.embedded.parsed
        return {
            "clone": parsed.cloned.seconds,
            "parse": parsed.seconds,
            "embed": self.embedded.seconds,
            "upsert": self.seconds,
        }
