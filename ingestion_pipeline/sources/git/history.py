"""Counts the commits that a fetch brought, from a second repository that holds only commits.

The mirror itself is shallow: its trees are those of the branches' heads, because the trees of a
long history weigh gigabytes. A shallow repository cannot count, though: what the host sends for a
merge of a branch that forked before the shallow commit is the whole history. Commits alone
(``--filter=tree:0``) are some 200 to 400 bytes each, every later fetch brings exactly the new ones,
and ``git rev-list --count`` is then right for pushes, merges, force pushes and new branches alike.

The count never stops a sync: where it cannot be had the reason is returned, and the next fetch that
succeeds counts from the last one that did.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.sources.git.environment import build_read_environment
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import HISTORY_FOLDER
from ingestion_pipeline.sources.git.process import run_reader
from ingestion_pipeline.sources.git.remote import UnexplainedFailureError
from ingestion_pipeline.sources.git.side_repository import SideRepository

# The heads up to which commits were counted, one id a line.
_COUNTED = "ingestion-counted"


@dataclass(frozen=True, slots=True)
class CommitCount:
    """How many commits a fetch brought.

    Args:
        pulled: None when that is not known.
        unknown_because: Why it is not, "" otherwise.
    """

    pulled: int | None
    unknown_because: str = ""


def count_pulled(
    git_dir: Path, source: FetchSource, heads: Collection[str], limits: GitLimits
) -> CommitCount:
    """Return how many commits the heads have that the heads of the last count did not have.

    All of them at the first count. Only under the mirror's lock.

    Args:
        git_dir: The mirror.
        source: Where it was just fetched from.
        heads: Commit ids of its branches.
        limits: The list of commits may take a quarter of the mirror's size.
    """
    folder = git_dir / HISTORY_FOLDER
    wanted = sorted(set(heads))
    counted = _read_counted(folder)
    if set(wanted) <= set(counted):
        if len(wanted) < len(counted):
            _write_counted(folder, wanted)
        return CommitCount(0)
    pulled = 0

    def count() -> None:
        nonlocal pulled
        pulled = _count(folder, wanted, counted)
        _write_counted(folder, wanted)

    commits = SideRepository(
        *(git_dir, HISTORY_FOLDER, "The list of commits", ["--filter=tree:0"]),
        kept_files=[_COUNTED],
    )
    reason = commits.update(source, {sha: sha for sha in wanted}, limits, count)
    return CommitCount(None, reason) if reason else CommitCount(pulled)


def _count(folder: Path, wanted: Sequence[str], counted: Sequence[str]) -> int:
    arguments = [f"--git-dir={folder}", "rev-list", "--count", "--ignore-missing", *wanted]
    outcome = run_reader([*arguments, "--not", *counted], build_read_environment(), 300)
    if outcome.exit_code != 0:
        raise UnexplainedFailureError(outcome.stderr.strip() or "git rev-list took too long")
    return int(outcome.stdout)


def _read_counted(folder: Path) -> list[str]:
    try:
        return (folder / _COUNTED).read_text(encoding="ascii").split()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return []


def _write_counted(folder: Path, heads: Sequence[str]) -> None:
    temporary = folder / f"{_COUNTED}.new"
    temporary.write_text("\n".join(heads), encoding="ascii")
    temporary.replace(folder / _COUNTED)
