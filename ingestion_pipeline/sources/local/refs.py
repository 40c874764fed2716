"""Reads the branches of a repository of this machine, without touching anything in it."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingestion_pipeline.core.errors import (
    HostUnavailableError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.sources.git.environment import build_read_environment
from ingestion_pipeline.sources.git.process import GitOutcome, run_reader

_TIMEOUT_SECONDS = 30.0
_FIELDS = "%(HEAD)%00%(refname)%00%(objectname)%00%(committerdate:unix)"


@dataclass(frozen=True, slots=True)
class LocalRefs:
    """The branches of a local repository.

    Args:
        heads: Branch to commit sha, all of them; ``HEAD`` too when it is detached.
        default_branch: What HEAD points at, ``HEAD`` when detached, "" without any commit.
        pushed_at: See ``make_pushed_at``; None without any commit.
    """

    heads: Mapping[str, str]
    default_branch: str
    pushed_at: str | None


def read_refs(path: Path) -> LocalRefs:
    """Read the branches of the repository at a path.

    Raises:
        RepositoryNotFoundError: No folder, or no repository in it.
        RepositoryForbiddenError: This user may not read it.
        RepositoryUnavailableError: git cannot read the refs.
        HostUnavailableError: No answer within 30 s.
    """
    git_dir = find_git_dir(path)
    listed = _run(path, git_dir, "for-each-ref", f"--format={_FIELDS}", "refs/heads/")
    heads: dict[str, str] = {}
    seconds, default_branch = 0, ""
    # Not splitlines: a name may hold U+2028 and other characters that it takes for line ends.
    for line in listed.stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        mark, ref, sha, date = line.split("\0")
        branch = ref.removeprefix("refs/heads/")
        if not _is_text(branch):
            continue  # cannot be asked for, and could not be stored
        heads[branch] = sha
        seconds = max(seconds, _read_seconds(date))
        default_branch = branch if mark == "*" else default_branch
    if not default_branch:
        default_branch, sha, date = _read_head(path, git_dir)
        if sha:
            heads["HEAD"] = sha
            seconds = max(seconds, _read_seconds(date))
    if not _is_text(default_branch):
        raise RepositoryUnavailableError(
            f"The branch that HEAD of {path} points at has a name that is not UTF-8, which cannot "
            "be stored. Rename it: git branch -m NAME"
        )
    if not heads:
        return LocalRefs({}, "", None)
    return LocalRefs(heads, default_branch, make_pushed_at(heads, seconds))


def find_git_dir(path: Path) -> Path:
    """Return what git's ``--git-dir`` takes for a work tree's top folder or a bare repository.

    Raises:
        RepositoryNotFoundError, RepositoryForbiddenError: As ``read_refs``.
    """
    try:
        os.scandir(path).close()
        if (path / ".git").exists():
            return path / ".git"
        is_bare = all((path / name).exists() for name in ("HEAD", "objects", "refs"))
    except (FileNotFoundError, NotADirectoryError):
        raise RepositoryNotFoundError(
            f"{path} does not exist or is no folder. Check the path; what is tracked can be put "
            "back, or untracked."
        ) from None
    except PermissionError:
        raise RepositoryForbiddenError(
            f"This user may not read {path}. Grant the right to read it."
        ) from None
    if not is_bare:
        raise RepositoryNotFoundError(f"{path} is not a git repository.{_hint_at_parent(path)}")
    return path


def make_pushed_at(heads: Mapping[str, str], seconds: int) -> str:
    """Return a time that changes when a tip does, as RFC 3339 with microseconds.

    Nothing records a push into a local repository. The seconds are the newest committer date of
    the tips; they alone would stay the same after a reset to an older commit, so the fraction is
    20 bits of a hash of all tips.

    Args:
        heads: Branch to commit sha.
        seconds: Newest committer date, Unix time.
    """
    tips = "\n".join(f"{branch}\0{heads[branch]}" for branch in sorted(heads))
    digest = hashlib.sha256(tips.encode("utf-8", "surrogateescape")).digest()
    fraction = int.from_bytes(digest[:4], "big") % 1_000_000
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:06d}Z"


def _read_head(path: Path, git_dir: Path) -> tuple[str, str, str]:
    """Return (default branch, sha, date) of a HEAD that no branch has; sha "" when it is unborn."""
    unborn = _run(path, git_dir, "symbolic-ref", "--quiet", "--short", "HEAD", may_fail=True)
    if unborn.exit_code == 0:
        return unborn.stdout.decode("utf-8", "surrogateescape").strip(), "", ""
    # rev-list and not log: log runs the gpg.program of the repository's own configuration.
    shown = _run(path, git_dir, "rev-list", "--max-count=1", "--timestamp", "HEAD", "--")
    date, _, sha = shown.stdout.decode("ascii").strip().partition(" ")
    return "HEAD", sha, date


def _run(path: Path, git_dir: Path, *arguments: str, may_fail: bool = False) -> GitOutcome:
    outcome = run_reader(
        [f"--git-dir={git_dir}", *arguments], build_read_environment(), _TIMEOUT_SECONDS
    )
    if outcome.timed_out:
        raise HostUnavailableError(f"{path} did not answer within {_TIMEOUT_SECONDS:g} s.")
    if outcome.exit_code == 0 or may_fail:
        return outcome
    complaint = outcome.stderr.strip()[-300:]
    if "Permission denied" in complaint:
        raise RepositoryForbiddenError(f"This user may not read {path}: {complaint}")
    if "not a git repository" in complaint:
        raise RepositoryNotFoundError(f"{path} is not a git repository any more: {complaint}")
    raise RepositoryUnavailableError(f"git cannot read {path}: {complaint}. Run `git fsck` in it.")


def _is_text(name: str) -> bool:
    """Whether a name has no bytes that are not UTF-8."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _read_seconds(text: str) -> int:
    """Return Unix seconds between 1970 and 9999; commits hold whatever their tool wrote."""
    return min(max(int(text), 0), 253_402_300_799) if text.lstrip("-").isdigit() else 0


def _hint_at_parent(path: Path) -> str:
    parent = next((p for p in path.parents if (p / ".git").exists()), None)
    return f" {parent} is one: track that." if parent else " Run `git init` there first."
