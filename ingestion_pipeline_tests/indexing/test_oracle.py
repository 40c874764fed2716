"""The oracle: whatever happened, a sync leaves what a clean index of the same heads holds.

And it costs no more than what changed: parses, embeddings and upserts are held against their
floors after every sync.
"""

import shutil
import tempfile
from dataclasses import dataclass, replace
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

FUNCTIONS = st.dictionaries(NAMES, BODIES, max_size=3)
Functions = dict[str, str]
Contents = dict[str, str | bytes | None]


@dataclass(frozen=True)
class Edit:
    """One thing that a push does to a branch's files; the path may be any, by its number."""

    kind: str
    number: int
    new_path: str
    functions: Functions


EDITS = st.builds(
    Edit,
    kind=st.sampled_from(["write", "edit", "delete", "move", "rename symbol"]),
    number=st.integers(0, 10),
    new_path=PATHS,
    functions=FUNCTIONS,
)
FILES: dict[str, Functions] = {
    "a.py": {"alpha": "pass"},
    "lib/c.py": {"beta": "return alpha()", "Widget": "pass"},
    "lib/d.py": {"load_all": "return 1"},
    "README.md": {"alpha": "pass", "beta": "pass"},
}


def apply_edit(files: dict[str, Functions], edit: Edit) -> None:
    """Do one edit; deleting, moving and renaming take a file that is there."""
    if edit.kind == "write" or not files:
        files[edit.new_path] = edit.functions
        return
    path = sorted(files)[edit.number % len(files)]
    if edit.kind == "edit":
        files[path] = {**files[path], **edit.functions}
    elif edit.kind == "delete":
        del files[path]
    elif edit.kind == "move" and edit.new_path not in files:
        files[edit.new_path] = files.pop(path)
    elif edit.kind == "rename symbol":
        files[path] = {f"{name}_renamed": body for name, body in files[path].items()}


def write_source(path: str, functions: Functions) -> str | bytes:
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
    strength = 0.003

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        encoder = make_layered_encoder(strength=self.strength) if self.layered else get_encoder()
        first = {path: write_source(path, functions) for path, functions in FILES.items()}
        self.git = GitRepository(self.folder / "origin.git", first)
        self.index = Index(self.folder / "index", self.git, encoder)
        # Clean indexes may remember what the parser said, never a vector.
        self.clean_records = self.folder / "clean records"
        self.clean_count = 0
        self.functions: dict[str, dict[str, Functions]] = {"main": dict(FILES)}
        self.known_blobs: set[tuple[str, str]] = set()
        self.known_files: set[tuple[str, str]] = set()
        self.sync()

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what people do

    @rule(branch=BRANCHES, edits=st.lists(EDITS, min_size=1, max_size=4), then_sync=OFTEN)
    def push(self, branch: str, edits: list[Edit], then_sync: bool) -> None:
        """Commits that add, edit, delete and move files and rename symbols."""
        self._begin(branch)
        before = dict(self.functions[branch])
        after = dict(before)
        for edit in edits:
            apply_edit(after, edit)
        changed: Contents = dict.fromkeys(before.keys() - after.keys())
        changed |= {
            path: write_source(path, functions)
            for path, functions in after.items()
            if before.get(path) != functions
        }
        if changed:
            self.git.commit(changed, branch=branch)
        self.functions[branch] = after
        if then_sync:
            self.sync()

    @rule(source=BRANCHES, onto=BRANCHES, how=st.sampled_from(["merge", "force"]), then_sync=OFTEN)
    def bring_over(self, source: str, onto: str, how: str, then_sync: bool) -> None:
        """One branch gets the other's files: by a merge commit, or by moving it there."""
        self._begin(source)
        self._begin(onto)
        if source != onto and how == "merge":
            tree = self.git.git("rev-parse", f"refs/heads/{source}^{{tree}}")
            parents = f"parent {self.git.head(onto)}\nparent {self.git.head(source)}\n"
            self.git.commit_object(f"tree {tree}\n{parents}", branch=onto)
        elif source != onto:
            self.git.create_branch(onto, at=f"refs/heads/{source}")
        self.functions[onto] = dict(self.functions[source])
        if then_sync:
            self.sync()

    @rule(functions=FUNCTIONS, then_sync=OFTEN)
    def force_push(self, functions: Functions, then_sync: bool) -> None:
        """History and all files but one are replaced."""
        self.git.commit({"a.py": write_source("a.py", functions)}, orphan=True)
        self.functions["main"] = {"a.py": functions}
        if then_sync:
            self.sync()

    @rule(branches=st.sampled_from([("main",), ("dev", "main"), ("dev",)]), then_sync=OFTEN)
    def track(self, branches: tuple[str, ...], then_sync: bool) -> None:
        """Other branches are tracked from now on."""
        for branch in branches:
            self._begin(branch)
        self.index.track(*branches)
        if then_sync:
            self.sync()

    @rule(patterns=st.sampled_from([(), ("lib/",), ("*.py", "!a.py")]), then_sync=OFTEN)
    def ignore(self, patterns: tuple[str, ...], then_sync: bool) -> None:
        """Other files are ignored from now on."""
        self.index.rules = replace(self.index.rules, ignore_patterns=patterns)
        if then_sync:
            self.sync()

    @rule(name=st.sampled_from(["octo/cat", "octo/dog"]), then_sync=OFTEN)
    def rename_the_repository(self, name: str, then_sync: bool) -> None:
        """The host calls it something else, which every point says."""
        self.index.row = replace(
            self.index.row, hosted=replace(self.index.row.hosted, full_name=name)
        )
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

    @rule(at=st.one_of(st.none(), st.floats(0, 1)))
    def lose_or_damage_what_was_heard(self, at: float | None) -> None:
        for file in self.index.caches.glob("heard/*/*"):
            content = bytearray(file.read_bytes())
            if at is None or not content:
                file.unlink()
            else:
                content[int(at * (len(content) - 1))] ^= 1
                file.write_bytes(content)

    @rule()
    def use_what_another_encoder_heard(self) -> None:
        """As if an encoder had been trained anew under the same name."""
        if self.layered:
            self.index.prepare(self.index.make_target(), encoder=make_layered_encoder(seed=8))

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
        written = len(self.index.store.upserted_ids)
        self._sync(None, SyncOptions(full_reindex=True))
        self.compare()
        assert len(self.index.store.upserted_ids) - written >= len(self.index.points())

    def compare(self) -> None:
        self.clean_count += 1
        clean = Index(
            self.folder / f"clean{self.clean_count}",
            self.git,
            self.index.encoder,
            self.clean_records,
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
        """Return path and blob of all files but those that are ignored, which nobody reads."""
        state, source = self.index.state, self.index.row.source
        return {
            (path, document.content_hash)
            for branch in result.heads
            for path, document in state.list_documents(source, branch).items()
        }

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


class LoudIndex(LayeredIndex):
    """The same where neighbours are heard so well that most vectors move at every change."""

    strength = 0.05


_SETTINGS = settings(
    max_examples=10,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_any_sequence_of_steps_leaves_what_a_clean_index_holds() -> None:
    run_state_machine_as_test(IncrementalIndex, settings=_SETTINGS)


def test_the_same_holds_when_vectors_hear_their_neighbours() -> None:
    run_state_machine_as_test(LayeredIndex, settings=settings(_SETTINGS, max_examples=4))


def test_the_same_holds_when_neighbours_are_loud() -> None:
    run_state_machine_as_test(LoudIndex, settings=settings(_SETTINGS, max_examples=4))
