"""One index of one repository over fakes, kept from sync to sync; git and parser are real."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ingestion_pipeline.cache import ContentCache
from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.core.points import CollectionSpec, PointFilter
from ingestion_pipeline.core.repositories import SourceKind
from ingestion_pipeline.embed import ENCODER_DIM, Encoder, load_encoder
from ingestion_pipeline.indexing.clone import clone_repository
from ingestion_pipeline.indexing.embed import embed_repository
from ingestion_pipeline.indexing.encoding import encode_facts
from ingestion_pipeline.indexing.handles import EmbeddedRepository, SyncResult
from ingestion_pipeline.indexing.heard_cache import HeardCache
from ingestion_pipeline.indexing.parse import parse_repository
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.record_cache import RecordCache, VectorCache
from ingestion_pipeline.indexing.rollout import Rollout
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS, IndexRules, SyncOptions
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.indexing.upsert import upsert_points
from ingestion_pipeline.parse import ParsedFile
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.sources.git import GitLimits, GitMirror
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.crashing import (
    STATE_WRITES,
    STORE_WRITES,
    CrashingProxy,
    CrashPlan,
)
from ingestion_pipeline_tests.fakes.clock import FakeClock
from ingestion_pipeline_tests.fakes.code_host import FakeCodeHost, make_hosted
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.git_repositories import GitRepository

ALIAS = "code"
COLLECTION = "code_test"
NEXT_COLLECTION = "code_next"
SPEC = CollectionSpec(COLLECTION, ENCODER_DIM)
RULES = IndexRules(10**6)
VOLATILE = {"commit_sha", "last_pushed_at", "last_indexed_at"}
NEVER = CrashPlan(None, before=False)


@cache
def get_encoder() -> Encoder:
    return load_encoder("cpu", "hashbag-1")


def parse_here(files: Iterable[SourceFile]) -> Iterator[ParsedFile | SkippedFile]:
    """Parse in this process: what workers do is another test's business."""
    for file in files:
        facts = parse_file(file)
        if isinstance(facts, SkippedFile):
            yield facts
        else:
            yield ParsedFile(file.path, file.blob_sha, *encode_facts(facts))


class Index:
    """One index of one repository.

    Args:
        folder: For mirror, caches and work files.
        git: The repository.
        encoder: Another than the real one.
        records: Folder of a record cache to share; its own by default.
    """

    def __init__(
        self,
        folder: Path,
        git: GitRepository,
        encoder: Encoder | None = None,
        records: Path | None = None,
    ) -> None:
        self.folder = folder
        self.git = git
        self.encoder = encoder or get_encoder()
        self.store = FakePointStore([SPEC])
        self.state = FakeStateStore()
        self.clock = FakeClock()
        self.host = FakeCodeHost([make_hosted()])
        self.host.set_clone_url("octo/cat", str(git.path))
        self.rules = RULES
        self.collection = COLLECTION
        hosts: Any = {SourceKind.GITHUB: self.host}
        self.row = track_repository("octo/cat", None, hosts, self.state, self.clock)
        self.mirror = GitMirror(folder / "mirror.git", GitLimits(10**8, 10**6, 60))
        self.caches = folder / "cache"
        self.shared_records = records
        self.runs = itertools.count()
        self.make_progress: Callable[[str], Progress] = Progress
        self.open_caches()

    def open_caches(self) -> None:
        self.records = RecordCache(
            ContentCache((self.shared_records or self.caches) / "records.db", 10**8),
            "parser",
            self.rules.max_file_bytes,
        )
        self.vectors = VectorCache(
            ContentCache(self.caches / "vectors.db", 10**8), self.encoder.version, ENCODER_DIM
        )

    def track(self, *branches: str) -> None:
        self.row = replace(self.row, branches=branches)
        self.state.save_repository(self.row)

    def make_target(self, plan: CrashPlan = NEVER, fingerprint: str = "fingerprint") -> IndexTarget:
        store: Any = CrashingProxy(self.store, plan, STORE_WRITES)
        state: Any = CrashingProxy(self.state, plan, STATE_WRITES)
        serving = self.make_rollout(plan).find_serving()
        return IndexTarget(state, store, self.collection, fingerprint, self.rules, serving)

    def make_rollout(self, plan: CrashPlan = NEVER) -> Rollout:
        store: Any = CrashingProxy(self.store, plan, STORE_WRITES)
        state: Any = CrashingProxy(self.state, plan, STATE_WRITES)
        return Rollout(store, state, ALIAS, self.collection, lambda: [COLLECTION, NEXT_COLLECTION])

    def use(self, collection: str, version: str) -> None:
        """Put another encoder in use; its vectors are the same here, its points are not."""
        self.collection = collection
        self.rules = replace(self.rules, encoder_version=version)

    def roll(self, plan: CrashPlan = NEVER) -> bool:
        """Sync as the ops do it; return whether searches answer from another collection now."""
        store: Any = CrashingProxy(self.store, plan, STORE_WRITES)
        store.ensure_collection(CollectionSpec(self.collection, ENCODER_DIM))
        self.make_rollout(plan).begin()
        self.sync(plan)
        return self.make_rollout(plan).finish()

    def prepare(
        self,
        target: IndexTarget,
        options: SyncOptions = DEFAULT_OPTIONS,
        encoder: Encoder | None = None,
    ) -> EmbeddedRepository:
        """Do the first three steps of a sync."""
        work = self.folder / "work" / str(next(self.runs))
        cloned = clone_repository(
            *(self.row, self.host, self.mirror, target, self.records, work, self.clock),
            *(self.make_progress("clone"), options),
        )
        parsed = parse_repository(
            cloned, self.mirror, self.records, parse_here, self.make_progress("parse")
        )
        return embed_repository(
            *(parsed, lambda: encoder or self.encoder, self.records, self.vectors),
            *(HeardCache(self.caches / "heard"), self.make_progress("embed")),
        )

    def sync(
        self,
        plan: CrashPlan | None = None,
        options: SyncOptions = DEFAULT_OPTIONS,
        fingerprint: str = "fingerprint",
    ) -> SyncResult:
        self.clock.advance(60)
        target = self.make_target(plan or NEVER, fingerprint)
        embedded = self.prepare(target, options)
        return upsert_points(embedded, target, self.clock, self.make_progress("upsert"))

    def points(self) -> dict[str, tuple[Mapping[str, Any], Any, Any]]:
        """Id → everything but the volatile facts; vectors rounded, for comparing."""
        stored = self.store.scroll(self.collection, PointFilter({}), with_vectors=True)
        return {
            p.id: (
                {k: v for k, v in p.payload.items() if k not in VOLATILE},
                tuple(round(x, 5) for x in p.dense or ()),
                p.sparse,
            )
            for p in stored
        }


def find_differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Sequence[str]:
    """Return what two indexes do not agree on: ids, payload, words, vectors to cosine 0.999."""
    differences = [f"missing {expected[i][0]}" for i in expected.keys() - found.keys()]
    differences += [f"stale {found[i][0]}" for i in found.keys() - expected.keys()]
    for point_id in found.keys() & expected.keys():
        here, there = found[point_id], expected[point_id]
        if here[0] != there[0] or here[2] != there[2]:
            differences.append(f"{here[0]} instead of {there[0]}")
        elif np.dot(here[1], there[1]) < 0.9989:  # rounded to five digits above
            differences.append(f"vector of {here[0]}: {np.dot(here[1], there[1])}")
    return differences
