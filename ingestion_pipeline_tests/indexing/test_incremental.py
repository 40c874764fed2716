"""What a sync costs: only what changed is parsed, embedded and written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.embed import load_encoder
from ingestion_pipeline.embed.version import TRAINED
from ingestion_pipeline.indexing.changes import ChangeCounts
from ingestion_pipeline.indexing.handles import SyncResult
from ingestion_pipeline.indexing.preview import SyncPreview, preview_sync
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS, MassDeletionError, SyncOptions
from ingestion_pipeline.parse import ParsedFile
from ingestion_pipeline_tests.crashing import Crash, CrashPlan
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.git_repositories import Files, GitRepository
from ingestion_pipeline_tests.indexing import world as world_module
from ingestion_pipeline_tests.indexing.world import SPEC, Index, find_differences

FILES: Files = {
    "a.py": "def one():\n    two()\n\n\ndef two():\n    pass\n",
    "b.py": "class Box:\n    def open(self):\n        return 1\n",
    "docs/notes.md": "# Notes\n\nAbout boxes.\n",
    "logo.dat": b"\0\1\2",
}


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "origin.git", FILES)


@pytest.fixture
def index(tmp_path: Path, git: GitRepository) -> Index:
    made = Index(tmp_path / "index", git)
    made.sync()
    return made


def costs(result: SyncResult) -> tuple[int, int]:
    """Files parsed, points embedded."""
    return result.embedded.parsed.files_parsed, result.embedded.points_embedded


def preview(index: Index, options: SyncOptions = DEFAULT_OPTIONS) -> SyncPreview:
    target = index.make_target()
    return preview_sync(index.row, index.host, index.mirror, target, index.records, options)


def test_an_unchanged_head_only_moves_the_branches_own_point(index: Index) -> None:
    written = len(index.store.upserted_ids)
    result = index.sync()
    assert costs(result) == (0, 0)
    assert len(index.store.upserted_ids) - written == 1


def test_commits_that_touch_no_indexed_file_only_move_the_stamp(
    index: Index, git: GitRepository
) -> None:
    git.commit({"node_modules/x/y.js": "let x = 1\n", "pic.png": b"\x89PNG"})
    written = len(index.store.upserted_ids)
    result = index.sync()
    assert costs(result) == (0, 0)
    assert result.embedded.nodes == 0
    assert len(index.store.upserted_ids) - written == 1
    assert index.state.list_branches(index.row.source)[0].head_sha == git.head()


def test_one_function_is_one_function(index: Index, git: GitRepository) -> None:
    """The file's and the function's words changed; the other function's did not."""
    git.commit({"a.py": "def one():\n    two()\n    three()\n\n\ndef two():\n    pass\n"})
    assert costs(index.sync()) == (1, 2)


def test_a_moved_file_is_not_parsed_and_its_symbols_keep_their_vectors(
    index: Index, git: GitRepository
) -> None:
    git.rename("b.py", "lib/b.py")
    result = index.sync()
    assert costs(result) == (0, 1)  # the file's own folder is one of its words
    assert result.embedded.parsed.cloned.counts == ChangeCounts(moved=1, unchanged=3)
    assert (result.added, result.deleted) == (3, 3)


def test_a_second_branch_with_the_same_files_costs_writes_alone(
    index: Index, git: GitRepository
) -> None:
    git.create_branch("dev")
    index.track("dev", "main")
    result = index.sync()
    assert costs(result) == (0, 0)
    assert result.added == len([p for p in index.points().values() if p[0]["branch"] == "dev"])


def test_a_renamed_repository_is_written_again_and_neither_parsed_nor_embedded(
    index: Index,
) -> None:
    index.row = replace(index.row, hosted=replace(index.row.hosted, full_name="octo/dog"))
    result = index.sync()
    assert costs(result) == (0, 0)
    assert {payload["repo"] for payload, _, _ in index.points().values()} == {"octo/dog"}


def test_a_full_reindex_does_all_of_it_again(index: Index) -> None:
    points = index.points()
    result = index.sync(options=SyncOptions(full_reindex=True))
    assert costs(result) == (4, len(points) - 1)
    assert index.points() == points


def test_a_file_without_facts_is_remembered_with_its_reason(index: Index) -> None:
    documents = index.state.list_documents(index.row.source, "main")
    assert documents["logo.dat"].error == "binary"
    assert documents["logo.dat"].points == {}


def test_what_the_parser_failed_at_is_recorded_and_tried_again(
    index: Index, git: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse_well = world_module.parse_here

    def fail_at_b(files):
        for result in parse_well(files):
            if result.path == "b.py":
                yield SkippedFile("b.py", result.blob_sha, "parser failed: TimeoutError")
            else:
                yield result

    git.commit({"b.py": "class Box:\n    pass\n"})
    monkeypatch.setattr(world_module, "parse_here", fail_at_b)
    index.sync()
    source = index.row.source
    assert index.state.list_documents(source, "main")["b.py"].error.startswith("parser failed")
    assert "b.py" not in {payload["path"] for payload, _, _ in index.points().values()}
    monkeypatch.undo()
    git.commit({"c.py": "x = 1\n"})
    index.sync()
    assert index.state.list_documents(source, "main")["b.py"].error == ""
    assert "b.py" in {payload["path"] for payload, _, _ in index.points().values()}


# -- options


def test_another_ignore_pattern_touches_what_it_names(index: Index) -> None:
    index.rules = replace(index.rules, ignore_patterns=("docs/",))
    written = len(index.store.upserted_ids)
    result = index.sync(fingerprint="with docs ignored")
    assert costs(result) == (0, 0)
    assert (result.deleted, len(index.store.upserted_ids) - written) == (1, 1)
    index.rules = replace(index.rules, ignore_patterns=())
    result = index.sync()
    assert costs(result) == (0, 0)
    assert result.added == 1


def test_the_repositorys_own_ignore_files_count(index: Index, git: GitRepository) -> None:
    git.commit({".ingestionignore": "docs/\n", ".gitignore": "b.py\n"})
    index.sync()
    paths = {payload["path"] for payload, _, _ in index.points().values()}
    assert "docs/notes.md" not in paths
    assert "b.py" not in paths


# -- guards


@pytest.fixture
def large(tmp_path: Path) -> Index:
    git = GitRepository(
        tmp_path / "large.git", {f"m{i}.py": f"def f{i}():\n    pass\n" for i in range(24)}
    )
    made = Index(tmp_path / "large", git)
    made.sync()
    return made


def test_most_of_a_repository_going_at_once_stops_the_sync(large: Index) -> None:
    before = large.points()
    large.git.commit({f"m{i}.py": None for i in range(13)})
    with pytest.raises(MassDeletionError, match="sync octo/cat --allow-mass-deletion") as caught:
        large.sync()
    assert "13 of the 24" in str(caught.value)
    assert large.points() == before
    assert preview(large).stops == str(caught.value)
    large.sync(options=SyncOptions(allow_mass_deletion=True))
    assert len(large.points()) == 2 * 11 + 1


@pytest.mark.parametrize(
    "change",
    [
        lambda git: git.commit({f"m{i}.py": None for i in range(12)}),
        lambda git: [git.rename(f"m{i}.py", f"lib/m{i}.py") for i in range(20)],
    ],
    ids=["half of it", "moved"],
)
def test_half_of_it_or_a_move_does_not(
    large: Index, change: Callable[[GitRepository], None]
) -> None:
    change(large.git)
    large.sync()


@pytest.mark.parametrize("at_write", [1, 2, 3])
def test_a_full_reindex_that_was_cut_short_does_not_open_the_way(
    large: Index, at_write: int
) -> None:
    """Nobody knows then what the store holds of a file, and still it was indexed."""
    with pytest.raises(Crash):
        large.sync(CrashPlan(at_write, before=False), SyncOptions(full_reindex=True))
    large.git.commit({f"m{i}.py": None for i in range(13)})
    with pytest.raises(MassDeletionError, match="13 of the 24"):
        large.sync()


def test_files_of_a_first_index_that_was_cut_short_may_go(tmp_path: Path) -> None:
    git = GitRepository(
        tmp_path / "new.git", {f"m{i}.py": f"def f{i}():\n    pass\n" for i in range(24)}
    )
    made = Index(tmp_path / "new", git)
    with pytest.raises(Crash):
        made.sync(CrashPlan(2, before=False))
    git.commit({f"m{i}.py": None for i in range(20)})
    assert made.sync().points == 2 * 4 + 1


def test_a_few_files_may_go(index: Index, git: GitRepository) -> None:
    git.commit({"a.py": None, "b.py": None, "docs/notes.md": None})
    assert index.sync().points == 1


# -- the dry run


def test_a_dry_run_says_what_a_sync_does(index: Index, git: GitRepository) -> None:
    git.commit({"a.py": "def one():\n    pass\n", "c.py": "def three():\n    pass\n"})
    git.rename("b.py", "lib/b.py")
    git.commit({"docs/notes.md": None})
    points, states = index.points(), index.state.list_documents(index.row.source, "main")
    seen = preview(index)
    assert seen.counts == ChangeCounts(added=1, modified=1, deleted=1, moved=1, unchanged=1)
    assert seen.files_to_parse == 2
    assert not seen.is_noop
    assert index.points() == points
    assert index.state.list_documents(index.row.source, "main") == states
    result = index.sync()
    assert result.embedded.parsed.files_parsed == seen.files_to_parse
    assert result.embedded.parsed.cloned.counts == seen.counts
    assert preview(index).is_noop


def test_a_dry_run_says_why_everything_would_be_written_again(index: Index) -> None:
    target = replace(index.make_target(), fingerprint="other_fingerprint")
    seen = preview_sync(index.row, index.host, index.mirror, target, index.records)
    assert seen.reasons == ("main: the pipeline changed (other)",)
    index.store = FakePointStore([SPEC])
    assert preview(index).reasons == ("main: the store does not hold what the state says",)
    asked = preview(index, SyncOptions(full_reindex=True))
    assert asked.reasons == ("main: a full re-index was asked for",)
    assert asked.files_to_parse == 4


def test_a_reindex_that_was_cut_off_before_it_wrote_hides_no_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next sync compares with what was written, not with what was last looked at."""
    helper = 'def helper():\n    """Parse quantum chromodynamics ledgers."""\n    other()\n'
    git = GitRepository(
        tmp_path / "origin.git",
        {
            "a.py": "from x import helper\n\n\ndef one():\n    helper()\n",
            "x.py": f"{helper}\n\ndef other():\n    pass\n",
            "b.py": "def b():\n    return 1\n",
        },
    )
    encoder = load_encoder("cpu", TRAINED)
    index = Index(tmp_path / "index", git, encoder)
    parse_here = world_module.parse_here

    def fail_once(files: Iterable[SourceFile]) -> Iterator[ParsedFile | SkippedFile]:
        for file in files:
            if file.path == "x.py":
                yield SkippedFile(file.path, file.blob_sha, "parser failed: TimeoutError")
            else:
                yield from parse_here([file])

    monkeypatch.setattr(world_module, "parse_here", fail_once)
    index.sync()
    monkeypatch.setattr(world_module, "parse_here", parse_here)
    index.prepare(index.make_target(), SyncOptions(full_reindex=True))
    git.commit({"b.py": "def b():\n    return 2\n"})
    index.sync()
    clean = Index(tmp_path / "clean", git, encoder)
    clean.sync()
    assert find_differences(index.points(), clean.points()) == []
