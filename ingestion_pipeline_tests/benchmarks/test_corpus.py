"""The repositories that benchmarks run on are what they say."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.corpus import Corpus, Delta, make_corpus, make_delta

COUNT = 80


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("corpus") / "repository", COUNT)


@pytest.fixture(scope="module")
def delta(corpus: Corpus) -> Delta:
    return make_delta(corpus)


def _list_tree(corpus: Corpus, commit: str) -> dict[str, str]:
    lines = corpus.repository.git("ls-tree", "-r", commit).splitlines()
    return {line.split("\t")[1]: line.split()[2] for line in lines}


def test_it_has_as_many_files_as_asked_for_and_no_two_alike(corpus: Corpus, delta: Delta) -> None:
    tree = _list_tree(corpus, delta.before)
    assert tuple(sorted(tree)) == corpus.paths
    assert len(tree) == len(set(tree.values())) == COUNT


def test_it_has_history(corpus: Corpus, delta: Delta) -> None:
    git = corpus.repository.git
    assert int(git("rev-list", "--count", delta.before)) == 41
    changed = git("log", "--format=", "--name-status", delta.before).splitlines()
    kinds = Counter(line[0] for line in changed if line)
    assert kinds["A"] == COUNT
    assert kinds["M"] > 0


def test_the_same_seed_gives_the_same_commits(corpus: Corpus, delta: Delta, tmp_path: Path) -> None:
    again = make_corpus(tmp_path / "again", COUNT)
    assert again.repository.head() == delta.before
    assert make_delta(again).after == delta.after


def test_a_delta_is_the_mix_it_says(corpus: Corpus, delta: Delta) -> None:
    lines = corpus.repository.git(
        "diff", "--name-status", "--find-renames=100%", delta.before, delta.after
    ).splitlines()
    assert Counter(line[0] for line in lines) == {"M": 4, "D": 2, "R": 1, "A": 1}
    assert delta.changed == 8
    before, after = (_list_tree(corpus, commit) for commit in (delta.before, delta.after))
    [(old, new)] = delta.moved.items()
    assert before[old] == after[new]
    assert set(delta.deleted) == set(before) - set(after) - {old}
    assert set(delta.added) == set(after) - set(before) - {new}
    [shrunk] = delta.shrunk
    sizes = [
        len(corpus.repository.git("show", f"{commit}:{shrunk}"))
        for commit in (delta.before, delta.after)
    ]
    assert sizes[1] < sizes[0]


def test_what_the_delta_writes_is_python(corpus: Corpus, delta: Delta) -> None:
    for path in (*delta.modified, *delta.shrunk, *delta.added):
        ast.parse(corpus.repository.git("show", f"{delta.after}:{path}"))


def test_a_check_out_touches_only_what_changed(
    corpus: Corpus, delta: Delta, tmp_path: Path
) -> None:
    folder = tmp_path / "tree"
    corpus.check_out(folder, delta.before)
    kept = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    corpus.check_out(folder, delta.after)
    now = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    assert {str(p.relative_to(folder)) for p in now} == set(_list_tree(corpus, delta.after))
    untouched = {p for p in kept if now.get(p) == kept[p]}
    gone = set(kept) - untouched
    assert len(gone) == 4 + 2 + 1


def test_a_further_edition_repeats_no_blob(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "installed"
    source.mkdir()
    files = {"one.py": "def compute_total(values):\n    return sum(values)\n", "two.md": "# Two\n"}
    for name, text in files.items():
        (source / name).write_text(text)
    units = {"packages/some": (source, sorted(source.iterdir()))}
    monkeypatch.setattr("benchmarks.corpus._list_units", lambda: units)
    corpus = make_corpus(tmp_path / "repository", 6, commits=0)
    tree = _list_tree(corpus, "HEAD")
    assert len(set(tree.values())) == 6
    assert "edition_3/packages/some/one.py" in tree
    assert "def compute_total_e2(" in corpus.read("edition_2/packages/some/one.py")
    assert corpus.read("packages/some/two.md") == "# Two\n"
