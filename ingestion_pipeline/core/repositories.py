"""Repositories: how they are named, what a host says of them, what we track."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ingestion_pipeline.core.errors import InvalidRepositoryNameError

_PART = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class SourceKind(StrEnum):
    """Where content comes from; part of every point id, so values never change."""

    GITHUB = "github"
    LOCAL = "local"


class RepositoryStatus(StrEnum):
    """What the host last said of a repository. Only ``ACTIVE`` ones are synced by the sensor."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class SourceId:
    """The stable identity of one source of content.

    Args:
        kind: Where it lives.
        stable_id: The host's own immutable id as text. GitHub: the numeric repository id. Local: a
            63-bit number derived from the real path. Never a name, so a renamed repository keeps
            its points.
    """

    kind: SourceKind
    stable_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.stable_id}"

    @classmethod
    def parse(cls, text: str) -> "SourceId":
        """Return the source that ``str`` was called on.

        Raises:
            ValueError: No such kind of source.
        """
        kind, _, stable_id = text.partition(":")
        return cls(SourceKind(kind), stable_id)


@dataclass(frozen=True, slots=True)
class HostedRepository:
    """A repository as its host describes it now.

    Args:
        source: Stable identity.
        node_id: GitHub's GraphQL id; "" for other hosts.
        full_name: ``owner/name``.
        clone_url: Where git fetches from, without credentials; a path for local repositories.
        web_url: Where a person looks at it; "" when there is none.
        default_branch: Name of the default branch; "" for an empty repository.
        pushed_at: The host's own string, never parsed and formatted again; None when never pushed.
        status: What the host lets us do with it.
    """

    source: SourceId
    node_id: str
    full_name: str
    clone_url: str
    web_url: str
    default_branch: str
    pushed_at: str | None
    status: RepositoryStatus = RepositoryStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class TrackedRepository:
    """A repository that is a key of the dynamic partition.

    Args:
        partition_key: ``owner/name``; follows a rename.
        hosted: What the host said when last asked.
        branches: The branches to index; empty means the default branch.
        status_detail: The host's message behind a status other than active.
        pushed_at_seen: A ``pushed_at`` known to need no run (it moved no tracked branch).
        tracked_at: When tracking began, timezone-aware UTC.
        untracked_at: When tracking ended; such rows wait for their points to be purged.
        former_keys: Partition keys it had before renames.
        ignore_patterns: Further files to leave out, each a line of gitignore syntax.
    """

    partition_key: str
    hosted: HostedRepository
    branches: tuple[str, ...] = ()
    status_detail: str = ""
    pushed_at_seen: str | None = None
    tracked_at: datetime | None = None
    untracked_at: datetime | None = None
    former_keys: tuple[str, ...] = field(default=())
    ignore_patterns: tuple[str, ...] = ()

    @property
    def source(self) -> SourceId:
        """Stable identity of the repository behind the key."""
        return self.hosted.source

    @property
    def address(self) -> str:
        """``github.com/owner/name``; the key alone of what has no page on the web."""
        return self.hosted.web_url.partition("://")[2] or self.partition_key

    @property
    def tracked_branches(self) -> tuple[str, ...]:
        """The branches to index, the default branch spelled out; empty when there is none yet."""
        if self.branches:
            return self.branches
        return (self.hosted.default_branch,) if self.hosted.default_branch else ()


def validate_partition_key(key: str) -> str:
    """Return ``key`` when it is a well-formed ``owner/name``.

    Dagster accepts any string as a dynamic partition key, so this is the only gate.

    Raises:
        InvalidRepositoryNameError: Anything else, with an example of the right form.
    """
    parts = key.split("/")
    if len(parts) != 2 or any(p in {".", ".."} or not _PART.fullmatch(p) for p in parts):
        raise InvalidRepositoryNameError(
            f"{key!r} is not a repository name. Give it as owner/name, for example pallets/flask."
        )
    return key
