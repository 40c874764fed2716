"""The oracle: whatever happened, a sync leaves what a clean index of the same heads holds.

And it costs no more than what changed: parses, embeddings and upserts are held against their
floors after every sync.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.core.state import DocumentState
from ingestion_pipeline.indexing.handles import SyncResult
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS, SyncOptions
from ingestion_pipeline.points.write import PENDING
from ingestion_pipeline_tests.crashing import Crash, CrashPlan
from ingestion_pipeline_tests.embed.trained import make_layered_encoder
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.indexing.world import (
    COLLECTION,
    SPEC,
    Index,
    find_differences,
    get_encoder,
)

PATHS = st.sampled_from(
    ["a.py", "b.py", "lib/c.py", "lib/d.py", "e.go", "README.md", "x.bin", "node_modules/m.js"]
)
NAMES = st.sampled_from(["alpha", "beta", "gamma_ray", "load_all", "Widget"])
BODIES = st.sampled_from(["return 1", "return alpha()", "load_all(2)", "pass"])
BRANCHES = st.sampled_from(["main", "dev"])
OFTEN = st.sampled_from([True, True, False])

Contents = dict[str, str | bytes]


def write_source(path: str, functions: Mapping[str, str]) -> str | bytes:
    """Return a file of that kind that defines those functions."""
    if path.endswith(".bin"):
        return b"\0" + repr(sorted(functions.items())).encode()
    if path.endswith(".go"):
        return "package e\n" + "".join(f"\nfunc {n}() {{ {b}; }}\n" for n, b in functions.items())
    if path.endswith(".md"):
        return "# Notes\n\n" + " ".join(functions)
    return "".join(f"def {name}():\n    {body}\n\n\n" for name, body in functions.items()) or "\n"


class IncrementalIndex(RuleBasedStateMachine):
    """Real git, driven through everything that people do to repositories."""

    layered = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        encoder = make_layered_encoder() if self.layered else get_encoder()
        self.git = GitRepository(self.folder / "origin.git", {"a.py": "def alpha():\n    pass\n"})
        self.index = Index(self.folder / "index", self.git, encoder)
        # Of what is asked again and again, a clean index may remember the parser's answers.
        self.clean_caches = self.folder / "clean caches"
        self.clean_count = 0
        self.functions: dict[str, dict[str, dict[str, str]]] = {"main": {"a.py": {}}}
        self.known_blobs: set[tuple[str, str]] = set()
        self.known_files: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what people do

    @rule(
        branch=BRANCHES,
        path=PATHS,
        functions=st.dictionaries(NAMES, BODIES, max_size=3),
        then_sync=OFTEN,
    )
    def write_file(
        self, branch: str, path: str, functions: dict[str, str], then_sync: bool
    ) -> None:
        self._begin(branch)
        self.git.commit({path: write_source(path, functions)}, branch=branch)
        self.functions[branch][path] = functions
        if then_sync:
            self.sync()

    @rule(branch=BRANCHES, path=PATHS, then_sync=OFTEN)
    def delete_file(self, branch: str, path: str, then_sync: bool) -> None:
        self._begin(branch)
        if self.functions[branch].pop(path, None) is not None:
            self.git.commit({path: None}, branch=branch)
        if then_sync:
            self.sync()

    @rule(branch=BRANCHES, old=PATHS, new=PATHS, then_sync=OFTEN)
    def move_file(self, branch: str, old: str, new: str, then_sync: bool) -> None:
        self._begin(branch)
        files = self.functions[branch]
        if old in files and new not in files:
            self.git.rename(old, new, branch=branch)
            files[new] = files.pop(old)
        if then_sync:
            self.sync()

    @rule(branch=BRANCHES, path=PATHS, old=NAMES, new=NAMES, then_sync=OFTEN)
    def rename_symbol(self, branch: str, path: str, old: str, new: str, then_sync: bool) -> None:
        self._begin(branch)
        functions = self.functions[branch].get(path, {})
        if old in functions and new not in functions:
            renamed = {new if name == old else name: body for name, body in functions.items()}
            self.git.commit({path: write_source(path, renamed)}, branch=branch)
            self.functions[branch][path] = renamed
        if then_sync:
            self.sync()

    @rule(source=BRANCHES, onto=BRANCHES, then_sync=OFTEN)
    def move_branch(self, source: str, onto: str, then_sync: bool) -> None:
        """A merge that takes one side, or a force push, whichever way the histories lie."""
        self._begin(source)
        self.git.create_branch(onto, at=f"refs/heads/{source}")
        self.functions[onto] = dict(self.functions[source])
        if then_sync:
            self.sync()

    @rule(functions=st.dictionaries(NAMES, BODIES, max_size=2), then_sync=OFTEN)
    def force_push(self, functions: dict[str, str], then_sync: bool) -> None:
        """History and all files but one are replaced."""
        self.git.commit({"a.py": write_source("a.py", functions)}, orphan=True)
        self.functions["main"] = {"a.py": functions}
        if then_sync:
            self.sync()

    @rule(branches=st.sampled_from([("main",), ("dev", "main"), ("dev",)]), then_sync=OFTEN)
    def track(self, branches: tuple[str, ...], then_sync: bool) -> None:
        for branch in branches:
            self._begin(branch)
        self.index.track(*branches)
        if then_sync:
            self.sync()

    @rule(pattern=st.sampled_from([(), ("lib/",), ("*.py", "!a.py")]), then_sync=OFTEN)
    def ignore(self, pattern: tuple[str, ...], then_sync: bool) -> None:
        self.index.rules = replace(self.index.rules, ignore_patterns=pattern)
        if then_sync:
            self.sync()

    # -- what goes wrong

    @rule(at_write=st.integers(0, 12), before=st.booleans())
    def crash(self, at_write: int, before: bool) -> None:
        try:
            self._sync(CrashPlan(at_write, before=before))
        except Crash:
            return
        self.compare()

    @rule()
    def lose_the_state(self) -> None:
        self.index.state = FakeStateStore([self.index.row])

    @rule()
    def lose_the_store(self) -> None:
        self.index.store = FakePointStore([SPEC])

    @rule()
    def lose_the_caches(self) -> None:
        shutil.rmtree(self.index.caches, ignore_errors=True)
        self.known_blobs.clear()
        self.known_files.clear()

    @rule(name=st.sampled_from(["records.db", "vectors.db"]), at=st.floats(0, 1))
    def damage_a_cache(self, name: str, at: float) -> None:
        file = self.index.caches / name
        if file.exists() and file.stat().st_size:
            content = bytearray(file.read_bytes())
            place = int(at * (len(content) - 1))
            content[place : place + 64] = b"\xff" * len(content[place : place + 64])
            file.write_bytes(content)
            self.known_blobs.clear()
            self.known_files.clear()

    # -- what must hold

    @rule()
    def sync(self) -> None:
        before = self.index.points()
        pending = self._count_pending_points()
        parsed_before, embedded_before = set(self.known_blobs), set(self.known_files)
        upserted = len(self.index.store.upserted_ids)
        result = self._sync(None)
        self.compare()
        self._check_floors(result, parsed_before, embedded_before)
        after = self.index.points()
        differing = [
            i for i in after if i not in before or find_differences({i: before[i]}, {i: after[i]})
        ]
        written = len(self.index.store.upserted_ids) - upserted
        own_points = len(self.index.row.tracked_branches)
        if not self.layered and not self._rewritten:
            assert written <= len(differing) + own_points + pending

    @rule()
    def reindex(self) -> None:
        self._sync(None, SyncOptions(full_reindex=True))
        self.compare()

    def compare(self) -> None:
        self.clean_count += 1
        clean = Index(
            self.folder / f"clean{self.clean_count}",
            self.git,
            self.index.encoder,
            self.clean_caches,
        )
        clean.row = self.index.row
        clean.state = FakeStateStore([clean.row])
        clean.rules = self.index.rules
        clean.sync()
        assert find_differences(self.index.points(), clean.points()) == []
        counted = self.index.state.count_points(self.index.row.source)
        assert counted == self.index.store.count(COLLECTION, PointFilter({}))
        shutil.rmtree(clean.folder, ignore_errors=True)

    def _sync(self, plan: CrashPlan | None, options: SyncOptions = DEFAULT_OPTIONS) -> SyncResult:
        self._rewritten = self._is_lost()
        patterns = "|".join(self.index.rules.ignore_patterns)
        return self.index.sync(plan, options, f"fingerprint-{patterns}")

    def _is_lost(self) -> bool:
        """Whether store and state do not go together, so that everything is written again."""
        source = self.index.row.source
        stored = self.index.store.count(COLLECTION, PointFilter({}))
        return stored != self.index.state.count_points(source)

    def _count_pending_points(self) -> int:
        state, source = self.index.state, self.index.row.source
        documents: list[DocumentState] = [
            document
            for branch in state.list_branch_names(source)
            for document in state.list_documents(source, branch).values()
        ]
        return sum(len(d.points) for d in documents if d.content_hash == PENDING)

    def _check_floors(
        self,
        result: SyncResult,
        parsed: set[tuple[str, str]],
        embedded: set[tuple[str, str]],
    ) -> None:
        entries = self._list_files(result)
        blobs = {(path.rpartition(".")[2], sha) for path, sha in entries}
        assert result.embedded.parsed.files_parsed <= len(blobs - parsed)
        fresh = entries - embedded
        sizes = self._measure_files()
        assert result.embedded.points_embedded <= sum(sizes.get(path, 1) for path, _ in fresh)
        if self.index.caches.exists():
            self.known_blobs |= blobs
            self.known_files |= entries

    def _list_files(self, result: SyncResult) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for head in result.heads.values():
            for line in self.git.git("ls-tree", "-r", head).splitlines():
                facts, _, path = line.partition("\t")
                found.add((path, facts.split()[2]))
        return found

    def _measure_files(self) -> dict[str, int]:
        """Return path → points of the largest version of that path."""
        sizes: dict[str, int] = {}
        for files in self.functions.values():
            for path, functions in files.items():
                sizes[path] = max(sizes.get(path, 0), 1 + len(functions) + 1)
        return sizes

    def _begin(self, branch: str) -> None:
        if branch not in self.functions:
            self.git.create_branch(branch)
            self.functions[branch] = dict(self.functions["main"])


class LayeredIndex(IncrementalIndex):
    """The same with an encoder whose vectors hear their neighbours."""

    layered = True


_SETTINGS = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_any_sequence_of_steps_leaves_what_a_clean_index_holds() -> None:
    run_state_machine_as_test(IncrementalIndex, settings=_SETTINGS)


def test_the_same_holds_when_vectors_hear_their_neighbours() -> None:
    run_state_machine_as_test(LayeredIndex, settings=settings(_SETTINGS, max_examples=6))
