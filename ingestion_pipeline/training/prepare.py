"""From a git repository to what it teaches."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ingestion_pipeline.core.code import FileFacts, SourceFile
from ingestion_pipeline.core.errors import RepositoryUnavailableError
from ingestion_pipeline.core.graph import CodeGraph, NodeType
from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.graph import build_graph
from ingestion_pipeline.graph.relations import MOST_FILES_OF_A_CHANGE
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.parse.ignore import IgnoreRules
from ingestion_pipeline.parse.languages import MARKDOWN, TEXT
from ingestion_pipeline.parse.selection import select_entries
from ingestion_pipeline.sources.git import GitLimits
from ingestion_pipeline.sources.git.commits import (
    MOST_COMMITS_LISTED,
    Commit,
    choose_snapshot,
    list_commits,
)
from ingestion_pipeline.sources.git.trees import list_tree, read_files, read_sizes
from ingestion_pipeline.sources.local.refs import find_git_dir
from ingestion_pipeline.training.dataset import Changes, Lists, Repository

MOST_COMMITS = 6_000
_LEAST_MESSAGE_TERMS = 2
_LEAST_DOCSTRING_TERMS = 3
_MOST_DOCSTRING_WORDS = 40
_LIMITS = GitLimits(max_repository_bytes=1 << 40, max_file_bytes=400_000, timeout_seconds=600)
_SECTION = re.compile(
    r"\n\s*\n|\n\s*[:@]|\n\s*(?:Args|Arguments|Parameters|Params|Returns|Raises|Examples?|Usage)\b"
)


def prepare_repository(
    path: Path,
    name: str,
    revision: str = "HEAD",
    fetch_blobs: Callable[[Sequence[str]], object] = lambda _shas: None,
) -> Repository:
    """Parse one commit of a repository, and read the commits after and before it.

    Args:
        path: A checkout or a bare repository, with its history.
        name: For tables.
        revision: The newest commit to look at.
        fetch_blobs: Told which blobs of the parsed commit are read, before they are; for a history
            that lacks them.

    Raises:
        RepositoryNotFoundError: No repository there.
        RepositoryUnavailableError: Too little history to learn from.
    """
    git_dir = find_git_dir(path)
    commits = list_commits(git_dir, revision, MOST_COMMITS)
    if len(commits) < 2:
        raise RepositoryUnavailableError(
            f"{path} has no history to learn from, but a single commit. Give a full clone where it "
            "is a shallow one."
        )
    after = choose_snapshot(commits)
    snapshot = commits[after].sha
    graph = build_graph(_read_facts(git_dir, snapshot, fetch_blobs))
    return _make_repository(name, snapshot, graph, commits[:after], commits[after:])


def _read_facts(
    git_dir: Path, commit: str, fetch_blobs: Callable[[Sequence[str]], object]
) -> list[FileFacts]:
    tree = list_tree(git_dir, commit, _LIMITS)
    entries, _ = select_entries(tree, _LIMITS.max_file_bytes, IgnoreRules())
    fetch_blobs([entry.blob_sha for entry in entries])
    # A partial clone lacks some; what is not there teaches nothing.
    present = read_sizes(git_dir, [entry.blob_sha for entry in entries])
    entries = [entry for entry in entries if entry.blob_sha in present]
    facts: list[FileFacts] = []
    for file in read_files(git_dir, entries, _LIMITS, ()):
        parsed = parse_file(file) if isinstance(file, SourceFile) else file
        if isinstance(parsed, FileFacts):
            facts.append(parsed)
    return facts


def _make_repository(
    name: str, commit: str, graph: CodeGraph, later: Sequence[Commit], earlier: Sequence[Commit]
) -> Repository:
    types = graph.nodes["type"].to_numpy(np.int8)
    is_file = types == NodeType.FILE
    paths = graph.nodes["path"][is_file].tolist()
    languages = graph.nodes["language"][is_file].tolist()
    is_code = np.array([language not in (MARKDOWN, TEXT) for language in languages], bool)
    places = {path: node for node, path in enumerate(paths) if is_code[node]}
    documented, docstrings = _list_docstrings(graph, types)
    return Repository(
        name=name,
        commit=commit,
        types=types,
        files=graph.nodes["file"].to_numpy(np.int64),
        is_code=is_code,
        edges=graph.edges,
        terms=graph.terms,
        documented=np.array(documented, np.int64),
        docstrings=Lists.of(docstrings),
        later=_list_changes(later, places),
        earlier=_list_changes(earlier, places),
        recent=len(_list_changes(earlier[:MOST_COMMITS_LISTED], places)),
    )


def _list_docstrings(graph: CodeGraph, types: np.ndarray) -> tuple[list[int], list[list[int]]]:
    """Return the symbols that one docstring of some length belongs to, and its words."""
    found: dict[str, list[int]] = {}
    texts = graph.nodes["docstring"].tolist()
    for node in np.flatnonzero((types == NodeType.FUNCTION) | (types == NodeType.CLASS)):
        if texts[node]:
            found.setdefault(shorten_docstring(texts[node]), []).append(int(node))
    nodes: list[int] = []
    docstrings: list[list[int]] = []
    for text, owners in found.items():
        terms = [hash_term(term) for term in split_text(text)]
        if len(owners) == 1 and len(set(terms)) >= _LEAST_DOCSTRING_TERMS:
            nodes.append(owners[0])
            docstrings.append(terms)
    return nodes, docstrings


def shorten_docstring(docstring: str) -> str:
    """Return the first paragraph, at most 40 words of it: what a person would ask for."""
    return " ".join(
        _SECTION.split(docstring.strip(), maxsplit=1)[0].split()[:_MOST_DOCSTRING_WORDS]
    )


def _list_changes(commits: Sequence[Commit], places: dict[str, int]) -> Changes:
    messages: list[list[int]] = []
    files: list[list[int]] = []
    for commit in commits:
        changed = [places[path] for path in commit.modified if path in places]
        if commit.is_sweep or not 1 <= len(changed) <= MOST_FILES_OF_A_CHANGE:
            continue
        terms = [hash_term(term) for term in split_text(commit.message)]
        messages.append(terms if len(set(terms)) >= _LEAST_MESSAGE_TERMS else [])
        files.append(changed)
    return Changes(Lists.of(messages), Lists.of(files))
