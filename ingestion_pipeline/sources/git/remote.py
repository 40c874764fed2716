"""One fetch into one git folder: which branches, which arguments, what the answer means."""

import hashlib
import re
import tempfile
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
_FILTER_IGNORED = re.compile(r"^warning: filtering not recognized by server", re.MULTILINE)
_QUICK_SECONDS = 60
NO_BLOBS = "blob:none"


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
        is_filtered: The server left out what it was asked to leave out. Others send everything.
    """

    heads: Mapping[str, str]
    is_empty: bool = False
    is_filtered: bool = True


def init_git_dir(git_dir: Path, object_format: str) -> None:
    """Make an empty bare repository without templates, readable by its owner only."""
    git_dir.mkdir(mode=0o700)
    arguments = ["init", "--bare", "--quiet", "--template=", f"--object-format={object_format}"]
    outcome = run_reader([*arguments, "--", str(git_dir)], build_read_environment(), _QUICK_SECONDS)
    if outcome.exit_code != 0:
        raise UnexplainedFailureError(outcome.stderr)


def fetch_branches(
    git_dir: Path,
    source: FetchSource,
    branches: Sequence[str],
    limits: GitLimits,
    object_filter: str = NO_BLOBS,
) -> FetchedHeads:
    """Fetch the newest commits of each branch with their trees, wherever the branch was before.

    Branches that do not exist are left out and their old tips dropped.

    Raises:
        BranchNotFoundError: The repository has branches, but none of the wanted ones.
        UnexplainedFailureError: No rule knows what git said.
        IngestionError: As ``explain_failure``.
    """
    wanted = [name for name in dict.fromkeys(branches) if _REFSPEC_SAFE.fullmatch(name)]
    if wanted:
        outcome = _fetch_tips(git_dir, source, wanted, limits, object_filter)
        if outcome.exit_code == 0 and len(wanted) == len(set(branches)):
            return _read_fetched(git_dir, wanted, outcome)
        if outcome.exit_code != 0 and not MISSING_REF.search(outcome.stderr):
            raise explain(outcome, git_dir, source, limits)
    unique = tuple(dict.fromkeys(branches))
    return _fetch_existing(git_dir, source, unique, limits, object_filter)


def list_remote_branches(git_dir: Path, source: FetchSource, limits: GitLimits) -> dict[str, str]:
    """Return branch to head sha of the remote; ``HEAD`` stands there too when it has a commit.

    Raises:
        UnexplainedFailureError, IngestionError: As ``fetch_branches``.
    """
    arguments = [f"--git-dir={git_dir}", "ls-remote", "--quiet", "origin", "HEAD", "refs/heads/*"]
    outcome = run_supervised(arguments, build_fetch_environment(source, limits), limits)
    if outcome.exit_code != 0:
        raise explain(outcome, git_dir, source, limits)
    found: dict[str, str] = {}
    for line in outcome.stdout.decode("utf-8", "surrogateescape").split("\n"):
        sha, _, ref = line.partition("\t")
        if ref == "HEAD" or ref.startswith("refs/heads/"):
            found[ref.removeprefix("refs/heads/")] = sha
    return found


def _fetch_existing(
    git_dir: Path,
    source: FetchSource,
    branches: Sequence[str],
    limits: GitLimits,
    object_filter: str,
) -> FetchedHeads:
    """Fetch those of the branches that the remote lists."""
    listed = list_remote_branches(git_dir, source, limits)
    present = [name for name in branches if name in listed]
    for gone in set(branches) - set(present):
        drop_ref(git_dir, name_ref(gone, "refs/tips/"))
    if not present and listed and branches:
        raise _make_branch_error(source, branches, listed)
    if not present:
        return FetchedHeads({}, is_empty=not listed)
    outcome = _fetch_tips(git_dir, source, present, limits, object_filter)
    if outcome.exit_code != 0:
        raise explain(outcome, git_dir, source, limits)
    return _read_fetched(git_dir, present, outcome)


def _fetch_tips(
    git_dir: Path,
    source: FetchSource,
    branches: Sequence[str],
    limits: GitLimits,
    object_filter: str,
) -> GitOutcome:
    refspecs = make_refspecs(branches, "refs/tips/")
    arguments = [f"--depth={limits.depth}", f"--filter={object_filter}", "origin", *refspecs]
    return run_fetch(git_dir, source, arguments, limits)


def _read_fetched(git_dir: Path, branches: Sequence[str], outcome: GitOutcome) -> FetchedHeads:
    tips = read_refs(git_dir, "refs/tips/")
    missing = [name for name in branches if name_ref(name, "refs/tips/") not in tips]
    if missing:
        raise UnexplainedFailureError(f"no tip of {missing}")
    heads = {name: tips[name_ref(name, "refs/tips/")] for name in branches}
    return FetchedHeads(heads, is_filtered=not _FILTER_IGNORED.search(outcome.stderr))


def run_fetch(
    git_dir: Path,
    source: FetchSource,
    arguments: Sequence[str],
    limits: GitLimits,
    *,
    wanted: Sequence[str] = (),
    negotiate: bool = True,
) -> GitOutcome:
    """Run ``git fetch`` as every fetch runs here.

    Args:
        git_dir: Where the objects go.
        source: ``origin``.
        arguments: Options, then refspecs.
        limits: On time, and on the size of every file.
        wanted: Object ids or refspecs, in addition; any number of them.
        negotiate: False tells the server of nothing that is already here, so that it leaves
            nothing out and sends no deltas against it.
    """
    command = [
        *("-c", f"fetch.negotiationAlgorithm={'default' if negotiate else 'noop'}"),
        *(f"--git-dir={git_dir}", "fetch", "--quiet", "--no-progress", "--no-tags"),
        *("--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"),
        *(("--stdin",) if wanted else ()),
        *arguments,
    ]
    with tempfile.TemporaryFile() as stdin:
        stdin.writelines(f"{line}\n".encode() for line in wanted)
        stdin.seek(0)
        outcome = run_supervised(command, build_fetch_environment(source, limits), limits, stdin)
        if outcome.exit_code == 0 or not is_tolerated(outcome.stderr):
            return outcome
        # git 2.39 forgets which problems to tolerate when a filter is used. Once more without
        # fsck, then; a path that stands in a tree twice is also found when the tree is listed.
        stdin.seek(0)
        lenient = build_fetch_environment(source, limits, check_objects=False)
        return run_supervised(command, lenient, limits, stdin)


def is_tolerated(stderr: str) -> bool:
    """Return whether git gave up on a problem that ``TOLERATED_FSCK`` names, and on no other."""
    problems = {name.lower() for name in _FSCK_PROBLEM.findall(stderr)}
    return bool(problems) and problems <= {name.lower() for name in TOLERATED_FSCK}


def make_refspecs(branches: Sequence[str], prefix: str) -> list[str]:
    """Return what to fetch for branches, ``HEAD`` included, and under which refs to keep it."""
    return [
        f"+{'HEAD' if name == 'HEAD' else f'refs/heads/{name}'}:{name_ref(name, prefix)}"
        for name in branches
    ]


def name_ref(branch: str, prefix: str) -> str:
    """Return the mirror's own ref for a branch.

    Hashed, because refs are files: ``a`` and ``a/b`` would exclude each other when one replaces the
    other, and ``Fix`` and ``fix`` are one file on a Mac.
    """
    digest = hashlib.sha256(branch.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{prefix}{digest[:40]}"


def read_refs(git_dir: Path, prefix: str) -> dict[str, str]:
    """Return ref to object id.

    Raises:
        UnexplainedFailureError: git could not list them.
    """
    arguments = [f"--git-dir={git_dir}", "for-each-ref", "--format=%(refname) %(objectname)"]
    outcome = run_reader([*arguments, prefix], build_read_environment(), _QUICK_SECONDS)
    if outcome.exit_code != 0:
        raise UnexplainedFailureError(outcome.stderr)
    lines = outcome.stdout.decode("ascii").splitlines()
    return {ref: sha for ref, _, sha in (line.partition(" ") for line in lines)}


def drop_ref(git_dir: Path, ref: str) -> None:
    """Delete a ref; nothing happens when there is none.

    Raises:
        UnexplainedFailureError: git could not.
    """
    arguments = [f"--git-dir={git_dir}", "update-ref", "-d", ref]
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


def explain(
    outcome: GitOutcome, git_dir: Path, source: FetchSource, limits: GitLimits
) -> Exception:
    """Return the error behind a failed fetch, ``UnexplainedFailureError`` for unknown words."""
    error = explain_failure(outcome, source, limits, measure_received(git_dir))
    return error or UnexplainedFailureError(scrub(outcome.stderr, source))
