"""How a sync is asked for, and whether it can be done that way."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.repositories import SourceKind, TrackedRepository
from ingestion_pipeline.parse.ignore import validate_ignore_patterns

# The documents' word for what is tracked anyway.
CURRENT = "current"
_MOST_BRANCHES = 100

Branch = Annotated[str, Field(min_length=1, max_length=255)]


class InvalidOptionError(Exception):
    """An option cannot be followed.

    Attributes:
        field: Its name.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SyncRequest(BaseModel):
    """How a sync is asked for; what is not known is refused."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"force": True, "full_reindex": True, "branches": ["main", "develop"]}]
        },
    )

    force: bool = Field(default=False, description="End a sync that is under way, then begin.")
    full_reindex: bool = Field(
        default=False, description="Parse, embed and write every file of the branches again."
    )
    incremental: bool = Field(
        default=True, description="Look at what changed alone, as every sync does by itself."
    )
    pull_remote: bool = Field(
        default=False, description="Fetch first. A repository of GitHub's is always fetched first."
    )
    remote: str = Field(default="origin", description="Where from; there is `origin` alone.")
    branches: list[Branch] | None = Field(
        default=None,
        max_length=_MOST_BRANCHES,
        description="Tracked branches to look at; `current`, or nothing, for all of them.",
    )
    branch: Branch | None = Field(default=None, description="One entry of `branches`.")
    ignore_patterns: list[str] | None = Field(
        default=None,
        description="Files to leave out from now on, in gitignore syntax; kept for later syncs.",
    )
    progress_webhook: str | None = Field(
        default=None, max_length=2000, description="Told when the sync ended, and how."
    )

    def list_branches(self) -> tuple[str, ...]:
        """Return the branches that were named; empty for all that are tracked."""
        named = [self.branch] if self.branch is not None else self.branches or []
        return () if CURRENT in named else tuple(dict.fromkeys(named))

    def describe(self) -> dict[str, Any]:
        """Return the options as a job remembers and shows them."""
        asked = self.model_dump(exclude={"progress_webhook", "branch", "branches"})
        asked["incremental"] = not self.full_reindex
        return {**asked, "branches": list(self.list_branches()) or None}


def check_options(asked: SyncRequest, row: TrackedRepository) -> None:
    """Pass if the options can be followed for this repository.

    Raises:
        InvalidOptionError: One cannot.
    """
    _check_contradictions(asked)
    if asked.remote != "origin":
        raise InvalidOptionError("remote", f"There is no remote {asked.remote!r}; use 'origin'.")
    if asked.pull_remote and row.source.kind is SourceKind.LOCAL:
        raise InvalidOptionError(
            "pull_remote", "This repository is read from a folder as it is there; pull in it."
        )
    tracked = row.tracked_branches
    unknown = [branch for branch in asked.list_branches() if branch not in tracked]
    if unknown:
        raise InvalidOptionError(
            "branch" if asked.branch is not None else "branches",
            f"{', '.join(unknown)} is not tracked of {row.partition_key}; "
            f"{', '.join(tracked) or 'nothing'} is. Track it first.",
        )
    try:
        validate_ignore_patterns(asked.ignore_patterns or ())
    except ConfigurationError as error:
        raise InvalidOptionError("ignore_patterns", str(error)) from error


def _check_contradictions(asked: SyncRequest) -> None:
    # Here and not in the model, whose own errors of this kind name no field.
    if asked.full_reindex and asked.incremental and "incremental" in asked.model_fields_set:
        raise InvalidOptionError(
            "incremental", "full_reindex and incremental contradict each other; give one of them."
        )
    if asked.branch is not None and asked.branches is not None:
        raise InvalidOptionError("branch", "branch and branches say the same; give one of them.")
