"""What the commits of a repository say, and which files each of them changed."""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from ingestion_pipeline.core.errors import RepositoryUnavailableError
from ingestion_pipeline.sources.git.environment import build_read_environment
from ingestion_pipeline.sources.git.process import stream_reader

_TRAILER = re.compile(
    r"^(?:co-authored-by|signed-off-by|reviewed-by|acked-by|change-id|git-svn-id)\b.*$",
    re.IGNORECASE | re.MULTILINE,
)
_URL = re.compile(r"https?://\S+")
_ISSUE = re.compile(r"\(?(?:gh-|#)\d+\)?", re.IGNORECASE)
_MOST_MESSAGE_WORDS = 60
_MOST_FILES_CHANGED = 12
MOST_COMMITS_LISTED = 1_000
"""How many of the newest commits a sync knows; those further back count next to nothing, see
``graph.relations``."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit that is no merge.

    Args:
        sha: Object id.
        message: Without trailers, links and issue numbers, at most 60 words.
        modified: Files whose content changed; renames, additions and deletions do not count.
        changed_count: Files of any kind that the commit touches.
    """

    sha: str
    message: str
    modified: tuple[str, ...]
    changed_count: int

    @property
    def is_sweep(self) -> bool:
        """Whether it touches too much to say anything of one file: a new licence, a formatter."""
        return self.changed_count > _MOST_FILES_CHANGED


def list_commits(
    git_dir: Path, revision: str, limit: int, known: Mapping[str, Commit] = MappingProxyType({})
) -> list[Commit]:
    """Return the newest commits, newest first, merges left out.

    Args:
        git_dir: A bare repository, or the ``.git`` of a checkout, with its trees; blobs are not
            needed, because renames are not looked for.
        revision: Where to start.
        limit: Most commits.
        known: Commits by their ids, that are not looked at again.

    Raises:
        RepositoryUnavailableError: git cannot read that history.
    """
    listing = ["rev-list", "--no-merges", f"--max-count={limit}", revision, "--"]
    shas = b"".join(_run(git_dir, listing, subprocess.DEVNULL)).decode("ascii").split()
    missing = [sha for sha in shas if sha not in known]
    found = {commit.sha: commit for commit in _look_at(git_dir, missing)}
    return [known.get(sha) or found[sha] for sha in shas]


def _look_at(git_dir: Path, shas: Sequence[str]) -> Iterator[Commit]:
    if not shas:
        return
    arguments = [
        *("-c", "core.quotePath=false", "log", "--no-walk=unsorted", "--stdin", "--no-renames"),
        *("--name-status", "--format=%x00%H%x00%B%x00"),
    ]
    with tempfile.TemporaryFile() as wanted:
        wanted.writelines(f"{sha}\n".encode() for sha in shas)
        wanted.seek(0)
        yield from _read_commits(_split_fields(_run(git_dir, arguments, wanted.fileno())))


def _run(git_dir: Path, arguments: Sequence[str], stdin: int) -> Iterator[bytes]:
    """Yield what git says, in chunks."""
    command = [f"--git-dir={git_dir}", *arguments]
    with stream_reader(command, build_read_environment(), stdin) as stream:
        while chunk := stream.stdout.read(_CHUNK_BYTES):
            yield chunk
        outcome = stream.finish()
    if outcome.exit_code != 0:
        raise RepositoryUnavailableError(
            f"The history of {git_dir} cannot be read: {outcome.stderr.strip()}. Training needs "
            "commits and their trees: give a full clone, not a shallow one."
        )


def _split_fields(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield what stands between zero bytes, which neither messages nor paths can hold."""
    rest = b""
    for chunk in chunks:
        *fields, rest = (rest + chunk).split(b"\0")
        yield from (field.decode("utf-8", "replace") for field in fields)
    yield rest.decode("utf-8", "replace")


def _read_commits(fields: Iterator[str]) -> Iterator[Commit]:
    next(fields)  # what stands before the first commit: nothing
    while (sha := next(fields, None)) is not None:
        message, changes = next(fields, ""), next(fields, "")
        rows = [line.split("\t", 1) for line in changes.split("\n") if "\t" in line]
        modified = tuple(sorted({path for status, path in rows if status == "M"}))
        yield Commit(sha, clean_message(message), modified, len(rows))


def save_known(path: Path, commits: Iterable[Commit]) -> None:
    """Write commits down, all at once, so that they need not be looked at again."""
    building = path.with_name(f"{path.name}.new")
    building.write_bytes(msgspec.msgpack.encode(list(commits)))
    building.replace(path)


def load_known(path: Path) -> dict[str, Commit]:
    """Return what ``save_known`` wrote, by id; {} where there is none or it cannot be read."""
    try:
        commits = msgspec.msgpack.decode(path.read_bytes(), type=list[Commit])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return {commit.sha: commit for commit in commits}


def clean_message(message: str) -> str:
    """Return a commit message's own words, without what tools add to it."""
    text = _TRAILER.sub(" ", message)
    text = _ISSUE.sub(" ", _URL.sub(" ", text))
    return " ".join(text.split()[:_MOST_MESSAGE_WORDS])


def choose_snapshot(
    commits: Sequence[Commit], wanted_changes: int = 250, most_share: float = 0.4
) -> int:
    """Return how many of the newest commits lie after the snapshot.

    The snapshot is as new as it can be while enough commits that change two to eight files come
    after it, and never so old that more than ``most_share`` of the commits do.

    Args:
        commits: Newest first.
        wanted_changes: How many such commits are enough.
        most_share: Of all commits.
    """
    several = 0
    for number, commit in enumerate(commits):
        several += 2 <= len(commit.modified) <= 8
        if several >= wanted_changes or number + 1 >= most_share * len(commits):
            return min(number + 1, len(commits) - 1)
    return 0
