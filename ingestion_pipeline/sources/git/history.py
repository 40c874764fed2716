"""Counts the commits that a fetch brought, from a second repository that holds only commits.

The mirror itself is shallow: its trees are those of the branches' heads, because the trees of a
long history weigh gigabytes. A shallow repository cannot count, though: what the host sends for a
merge of a branch that forked before the shallow commit is the whole history. Commits alone
(``--filter=tree:0``) are some 200 to 400 bytes each, every later fetch brings exactly the new ones,
and ``git rev-list --count`` is then right for pushes, merges, force pushes and new branches alike.

The count never stops a sync: where it cannot be had the reason is returned, and the next fetch that
succeeds counts from the last one that did.
"""

import logging
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import IngestionError, RepositoryLimitError
from ingestion_pipeline.sources.git.environment import build_read_environment
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import (
    HISTORY_FOLDER,
    Manifest,
    find_damage,
    write_manifest,
)
from ingestion_pipeline.sources.git.packs import MergeFailedError, merge_packs
from ingestion_pipeline.sources.git.process import run_reader
from ingestion_pipeline.sources.git.remote import (
    UnexplainedFailureError,
    explain,
    init_git_dir,
    name_ref,
    run_fetch,
)

_logger = logging.getLogger(__name__)
# The heads up to which commits were counted, one id a line.
_COUNTED = "ingestion-counted"
# Beside the mirror's objects, because the folder itself is gone when this is written.
_GIVEN_UP = "ingestion-no-history"


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
    quarter = replace(limits, max_repository_bytes=limits.max_repository_bytes // 4)
    given_up = _read_given_up(git_dir, quarter)
    if given_up:
        return CommitCount(None, given_up)
    try:
        _fetch_commits(folder, source, wanted, quarter)
        pulled = _count(folder, wanted, counted)
    except RepositoryLimitError as error:
        _give_up(git_dir, folder, quarter)
        return _log_unknown(git_dir, f"The list of commits is too long. {error}")
    except (IngestionError, UnexplainedFailureError, MergeFailedError) as error:
        return _log_unknown(git_dir, f"The commits could not be counted. {error}")
    _write_counted(folder, wanted)
    return CommitCount(pulled)


def _fetch_commits(
    folder: Path, source: FetchSource, wanted: Sequence[str], limits: GitLimits
) -> None:
    """Fetch the commits; a folder that git cannot go on with is made anew, once."""
    if find_damage(folder):
        _recreate(folder, len(wanted[0]))
    else:
        try:
            return _fetch_once(folder, source, wanted, limits)
        except UnexplainedFailureError as failure:
            _logger.info("Fetching all commits of %s anew: %s", folder.parent.name, failure)
            _recreate(folder, len(wanted[0]))
    return _fetch_once(folder, source, wanted, limits)


def _fetch_once(
    folder: Path, source: FetchSource, wanted: Sequence[str], limits: GitLimits
) -> None:
    # By id: the branches may have moved since the mirror was fetched.
    refspecs = [f"+{sha}:{name_ref(sha, 'refs/tips/')}" for sha in wanted]
    arguments = ["--filter=tree:0", "origin"]
    outcome = run_fetch(folder, source, arguments, limits, wanted=refspecs)
    if outcome.exit_code != 0:
        raise explain(outcome, folder, source, limits)
    write_manifest(folder, Manifest())
    merge_packs(folder, limits)


def _recreate(folder: Path, id_length: int) -> None:
    counted = _read_counted(folder)
    shutil.rmtree(folder, ignore_errors=True)
    init_git_dir(folder, "sha1" if id_length == 40 else "sha256")
    _write_counted(folder, counted)


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


def _give_up(git_dir: Path, folder: Path, limits: GitLimits) -> None:
    """Remember that the commits are too many for these limits, or every sync would try again."""
    shutil.rmtree(folder, ignore_errors=True)
    text = f"{limits.max_repository_bytes} {limits.timeout_seconds}"
    (git_dir / _GIVEN_UP).write_text(text, encoding="ascii")


def _read_given_up(git_dir: Path, limits: GitLimits) -> str:
    try:
        size, seconds = (git_dir / _GIVEN_UP).read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return ""
    if limits.max_repository_bytes > int(size) or limits.timeout_seconds > float(seconds):
        return ""
    return (
        f"The list of commits is larger than {int(size) / 2**20:g} MiB or takes longer than "
        f"{float(seconds):g} s. Raise INGESTION_MAX_REPOSITORY_MIB or "
        "INGESTION_CLONE_TIMEOUT_SECONDS to have commits counted."
    )


def _log_unknown(git_dir: Path, reason: str) -> CommitCount:
    _logger.warning("Mirror %s: %s", git_dir.name, reason)
    return CommitCount(None, reason)
