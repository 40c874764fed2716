"""A dry run: what a sync would do and cost. Nothing is written to state or store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, StateStore, SyncRecord, SyncStatus
from ingestion_pipeline.indexing.changes import ChangeCounts
from ingestion_pipeline.indexing.planning import BranchPlan, Planner
from ingestion_pipeline.indexing.record_cache import RecordCache
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS, MassDeletionError, SyncOptions
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.sources.git import GitMirror

# Of a point, before a branch has any of which the mean could be taken.
_POINTS_PER_FILE = 10.0
# A point costs about a tenth of parsing a file; only the ratio matters, the history gives the rest.
_POINT_WORK = 0.1
_HISTORY = 20


@dataclass(frozen=True, slots=True)
class SyncPreview:
    """What a sync of one repository would do.

    Args:
        partition_key: Which repository.
        heads: Branch → commit that would be indexed.
        counts: Files by what would happen to them.
        files_to_parse: Files that have to go through the parser.
        points_to_write: Points to embed or compare, and write; about, since a file's points are
            known for sure only when it is parsed.
        points_to_delete: Points of files that are gone.
        reasons: Why whole branches would be written again, a line each; empty for an update.
        stops: Why the sync would stop at once, "" when it would not.
        estimated_seconds: From earlier syncs; None when there are none.
    """

    partition_key: str
    heads: dict[str, str]
    counts: ChangeCounts
    files_to_parse: int
    points_to_write: int
    points_to_delete: int
    reasons: tuple[str, ...] = ()
    stops: str = ""
    estimated_seconds: float | None = None

    @property
    def is_noop(self) -> bool:
        """Whether a sync would find nothing to do."""
        return self.counts.is_empty and not self.stops


def preview_sync(
    repository: TrackedRepository,
    host: CodeHost,
    mirror: GitMirror,
    target: IndexTarget,
    records: RecordCache,
    options: SyncOptions = DEFAULT_OPTIONS,
) -> SyncPreview:
    """Find out what a sync would do.

    The mirror, which is no more than a cache, is brought up to date: the tree has to be listed.

    Raises:
        IngestionError: Whatever the fetch meets.
    """
    source = host.get_fetch_source(repository.hosted)
    fetched = mirror.fetch(source, repository.tracked_branches, count_commits=False)
    planner = Planner(repository, target, mirror, source, options)
    plans: list[BranchPlan] = []
    stops = ""
    for branch, head in sorted(fetched.heads.items()):
        try:
            plans.append(planner.plan_branch(branch, head))
        except MassDeletionError as error:
            stops = str(error)
            confirmed = replace(options, allow_mass_deletion=True)
            plans.append(replace(planner, options=confirmed).plan_branch(branch, head))
    missing = planner.find_missing(plans, records)
    to_write, to_delete = _count_points(repository, target.state, plans)
    return SyncPreview(
        repository.partition_key,
        dict(fetched.heads),
        sum((plan.counts for plan in plans), ChangeCounts()),
        len(missing),
        to_write,
        to_delete,
        tuple(reason for plan in plans for reason in _explain(plan, target, options)),
        stops,
        estimate_seconds(_read_history(repository, target.state), len(missing), to_write),
    )


def estimate_seconds(
    history: Sequence[SyncRecord], files_to_parse: int, points_to_write: int
) -> float | None:
    """Return how long a sync of that much work may take, by how long earlier ones took.

    The shortest earlier sync is what a sync costs with next to no work; what the others took above
    it, by their work, is the price of work.

    Returns:
        Seconds; None with fewer than two complete syncs, of which nobody can tell the two apart.
    """
    complete = [record for record in history if record.status is SyncStatus.COMPLETE]
    if len(complete) < 2:
        return None
    least = min(record.duration_seconds for record in complete)
    work = sum(map(_work_of, complete))
    above = sum(record.duration_seconds - least for record in complete)
    price = above / work if work else 0.0
    return least + price * (files_to_parse + _POINT_WORK * points_to_write)


def _work_of(record: SyncRecord) -> float:
    written = record.points_added + record.points_changed
    return record.files_parsed + _POINT_WORK * written


def _read_history(repository: TrackedRepository, state: StateStore) -> list[SyncRecord]:
    return state.list_syncs(repository.partition_key, _HISTORY)


def _count_points(
    repository: TrackedRepository, state: StateStore, plans: Iterable[BranchPlan]
) -> tuple[int, int]:
    to_write, to_delete = 0.0, 0
    for plan in plans:
        if plan.changes is None:
            continue
        versions = state.list_document_versions(repository.source, plan.branch)
        counts = [version.point_count for version in versions.values() if version.point_count]
        mean = sum(counts) / len(counts) if counts else _POINTS_PER_FILE
        for path in plan.changes.to_write:
            known = versions.get(path) or versions.get(plan.changes.moved.get(path, ""))
            to_write += known.point_count if known else mean
        to_delete += sum(versions[path].point_count for path in plan.changes.deleted)
    return round(to_write), to_delete


def _explain(plan: BranchPlan, target: IndexTarget, options: SyncOptions) -> list[str]:
    """Return why a branch would be written again as a whole."""
    row = plan.row
    if options.full_reindex:
        return [f"{plan.branch}: a full re-index was asked for"]
    if row is None:
        return [f"{plan.branch}: never indexed"]
    if row.collection != target.collection:
        return [f"{plan.branch}: {_explain_move(row, target)}"]
    if plan.rewrite:
        return [f"{plan.branch}: the store does not hold what the state says"]
    if row.fingerprint != target.fingerprint:
        had = set(row.fingerprint.split("_"))
        parts = [part for part in target.fingerprint.split("_") if part not in had]
        # Other ignore patterns touch what they name, and no more.
        new = [part for part in parts if not part.startswith("ignore-")]
        return [f"{plan.branch}: the pipeline changed ({', '.join(new)})"] if new else []
    return []


def _explain_move(row: IndexedBranch, target: IndexTarget) -> str:
    before, now = _find_encoder(row.fingerprint), target.rules.encoder_version
    cause = f"the encoder changed from {before} to {now}: " if before not in ("", now) else ""
    until = ", which answers once every repository has moved" if target.retiring else ""
    return f"{cause}from the collection {row.collection} to {target.collection}{until}"


def _find_encoder(fingerprint: str) -> str:
    """Return the encoder version within a fingerprint, "" for none."""
    parts = (part for part in fingerprint.split("_") if part.startswith("encoder-"))
    return next(parts, "").removeprefix("encoder-")
