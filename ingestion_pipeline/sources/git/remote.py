"""One fetch into one git folder: which branches, which arguments, what the answer means."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import BranchNotFoundError
from ingestion_pipeline.sources.git.environment import (
    TOLERATED_FSCK,
    build_fetch_environment,
    build_read_environment,
)
from ingestion_pipeline.sources.git.failures import MISSING_REF, explain_failure, scrub
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import measure_received
from ingestion_pipeline.sources.git.process import GitOutcome, run_reader, run_supervised

_REFSPEC_SAFE = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+")
_FSCK_PROBLEM = re.compile(r"^error: object [0-9a-f]{40,64}: (\w+):", re.MULTILINE)
_QUICK_SECONDS = 60


class UnexplainedFailureError(Exception):
    """git failed with words that no rule knows, often because the mirror itself is broken.

    The message is git's stderr, scrubbed.
    """


@dataclass(frozen=True, slots=True)
class FetchedHeads:
    """What one fetch brought.

    Args:
        heads: Branch to commit sha, for the wanted branches that exist.
        is_empty: The repository has no branch at all.
    """

    heads: Mapping[str, str]
    is_empty: bool = False


def init_git_dir(git_dir: Path, object_format: str) -> None:
    """Make an empty bare repository without templates, readable by its owner only."""
    git_dir.mkdir(mode=0o700)
    arguments = ["init", "--bare", "--quiet", "--template=", f"--object-format={object_format}"]
    outcome = run_reader([*arguments, "--", str(git_dir)], build_read_environment(), _QUICK_SECONDS)
    if outcome.exit_code != 0:
        raise UnexplainedFailureError(outcome.stderr)


def fetch_branches(
    git_dir: Path, source: FetchSource, branches: Sequence[str], limits: GitLimits
) -> FetchedHeads:
    """Fetch the newest commit of each branch, wherever the branch was before.

    Branches that do not exist are left out and their old tips dropped.

    Raises:
        BranchNotFoundError: The repository has branches, but none of the wanted ones.
        UnexplainedFailureError: No rule knows what git said.
        IngestionError: As ``explain_failure``.
    """
    wanted = [name for name in dict.fromkeys(branches) if _REFSPEC_SAFE.fullmatch(name)]
    if wanted:
        outcome = _run_fetch(git_dir, source, wanted, limits)
        if outcome.exit_code == 0 and len(wanted) == len(set(branches)):
            return FetchedHeads(_read_heads(git_dir, wanted))
        if outcome.exit_code != 0 and not MISSING_REF.search(outcome.stderr):
            raise _explain(outcome, git_dir, source, limits)
    return _fetch_existing(git_dir, source, tuple(dict.fromkeys(branches)), limits)


def list_remote_branches(git_dir: Path, source: FetchSource, limits: GitLimits) -> dict[str, str]:
    """Return branch to head sha of the remote; ``HEAD`` stands there too when it has a commit.

    Raises:
        UnexplainedFailureError, IngestionError: As ``fetch_branches``.
    """
    arguments = [f"--git-dir={git_dir}", "ls-remote", "--quiet", "origin", "HEAD", "refs/heads/*"]
    outcome = run_supervised(arguments, build_fetch_environment(source, limits), limits)
    if outcome.exit_code != 0:
        raise _explain(outcome, git_dir, source, limits)
    found: dict[str, str] = {}
    for line in outcome.stdout.decode("utf-8", "surrogateescape").split("\n"):
        sha, _, ref = line.partition("\t")
        if ref == "HEAD" or ref.startswith("refs/heads/"):
            found[ref.removeprefix("refs/heads/")] = sha
    return found


def _fetch_existing(
    git_dir: Path, source: FetchSource, branches: Sequence[str], limits: GitLimits
) -> FetchedHeads:
    """Fetch those of the branches that the remote lists."""
    listed = list_remote_branches(git_dir, source, limits)
    present = [name for name in branches if name in listed]
    for gone in set(branches) - set(present):
        _drop_tip(git_dir, gone)
    if not present and listed and branches:
        raise _make_branch_error(source, branches, listed)
    if not present:
        return FetchedHeads({}, is_empty=not listed)
    outcome = _run_fetch(git_dir, source, present, limits)
    if outcome.exit_code != 0:
        raise _explain(outcome, git_dir, source, limits)
    return FetchedHeads(_read_heads(git_dir, present))


def _run_fetch(
    git_dir: Path, source: FetchSource, branches: Sequence[str], limits: GitLimits
) -> GitOutcome:
    refspecs = [
        f"+{'HEAD' if name == 'HEAD' else f'refs/heads/{name}'}:{_name_tip(name)}"
        for name in branches
    ]
    arguments = [
        *(f"--git-dir={git_dir}", "fetch", "--quiet", "--no-progress", "--depth=1", "--no-tags"),
        *("--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"),
        *(f"--filter=blob:limit={limits.max_file_bytes + 1}", "origin", *refspecs),
    ]
    outcome = run_supervised(arguments, build_fetch_environment(source, limits), limits)
    if outcome.exit_code == 0 or not is_tolerated(outcome.stderr):
        return outcome
    # git 2.39 forgets which problems to tolerate when a filter is used. Once more without
    # fsck, then; a path that stands in a tree twice is also found when the tree is listed.
    lenient = build_fetch_environment(source, limits, check_objects=False)
    return run_supervised(arguments, lenient, limits)


def is_tolerated(stderr: str) -> bool:
    """Return whether git gave up on a problem that ``TOLERATED_FSCK`` names, and on no other."""
    problems = {name.lower() for name in _FSCK_PROBLEM.findall(stderr)}
    return bool(problems) and problems <= {name.lower() for name in TOLERATED_FSCK}


def _name_tip(branch: str) -> str:
    """Return the mirror's own ref for a branch.

    Hashed, because refs are files: ``a`` and ``a/b`` would exclude each other when one replaces the
    other, and ``Fix`` and ``fix`` are one file on a Mac.
    """
    digest = hashlib.sha256(branch.encode("utf-8", "surrogateescape")).hexdigest()
    return f"refs/tips/{digest[:40]}"


def _read_heads(git_dir: Path, branches: Sequence[str]) -> dict[str, str]:
    arguments = [f"--git-dir={git_dir}", "for-each-ref", "--format=%(refname) %(objectname)"]
    outcome = run_reader([*arguments, "refs/tips/"], build_read_environment(), _QUICK_SECONDS)
    tips = dict(line.split(" ") for line in outcome.stdout.decode("ascii").splitlines())
    missing = [name for name in branches if _name_tip(name) not in tips]
    if outcome.exit_code != 0 or missing:
        raise UnexplainedFailureError(f"{outcome.stderr}; no tip of {missing}")
    return {name: tips[_name_tip(name)] for name in branches}


def _drop_tip(git_dir: Path, branch: str) -> None:
    arguments = [f"--git-dir={git_dir}", "update-ref", "-d", _name_tip(branch)]
    outcome = run_reader(arguments, build_read_environment(), _QUICK_SECONDS)
    if outcome.exit_code != 0:
        raise UnexplainedFailureError(outcome.stderr)


def _make_branch_error(
    source: FetchSource, branches: Sequence[str], listed: Mapping[str, str]
) -> BranchNotFoundError:
    existing = sorted(set(listed) - {"HEAD"})
    shown = ", ".join(existing[:10]) + (", …" if len(existing) > 10 else "")
    return BranchNotFoundError(
        f"{source.url} has no branch {', '.join(branches)}. It has: {shown or 'none'}. Choose with "
        "`ingestion-pipeline track REPOSITORY --branch NAME`."
    )


def _explain(
    outcome: GitOutcome, git_dir: Path, source: FetchSource, limits: GitLimits
) -> Exception:
    error = explain_failure(outcome, source, limits, measure_received(git_dir))
    return error or UnexplainedFailureError(scrub(outcome.stderr, source))
