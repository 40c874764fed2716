"""What decides which files are indexed and how a sync was asked for."""

import json
from dataclasses import dataclass, fields

from ingestion_pipeline.core.errors import PermanentError
from ingestion_pipeline.embed import ENCODER_VERSION


class MassDeletionError(PermanentError):
    """Too much of a repository went at once; a person has to confirm it."""


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How one sync differs from the others.

    Args:
        full_reindex: Parse, embed and write every file again.
        allow_mass_deletion: Go on though most of the repository's files are gone.
        branches: The tracked branches to look at; all of them where it is empty.
        ignore_patterns: Files to leave out from now on, in this sync and in later ones, lines of
            gitignore syntax; None keeps what was said before.
    """

    full_reindex: bool = False
    allow_mass_deletion: bool = False
    branches: tuple[str, ...] = ()
    ignore_patterns: tuple[str, ...] | None = None

    def to_json(self) -> str:
        """Return a JSON object; branches and patterns are in it where some were given."""
        said = {
            "full_reindex": self.full_reindex,
            "allow_mass_deletion": self.allow_mass_deletion,
        }
        branches = {"branches": self.branches} if self.branches else {}
        patterns = {} if self.ignore_patterns is None else {"ignore_patterns": self.ignore_patterns}
        return json.dumps({**said, **branches, **patterns})

    @classmethod
    def from_json(cls, text: str) -> "SyncOptions":
        """Return what ``to_json`` was called on; what is no option of ours is passed over."""
        names = {field.name for field in fields(cls)}
        said = {name: value for name, value in json.loads(text).items() if name in names}
        given = {name: value for name, value in said.items() if value is not None}
        listed = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return cls(**{**given, **listed})


DEFAULT_OPTIONS = SyncOptions()


@dataclass(frozen=True, slots=True)
class IndexRules:
    """What decides which files are indexed, and how; part of the fingerprint.

    Args:
        max_file_bytes: Larger files are skipped.
        ignore_patterns: Lines of gitignore syntax, on top of the repository's own.
        max_vanished_share: More of a branch's files than this gone at once stops the sync.
        encoder_version: Stamped on every point.
    """

    max_file_bytes: int
    ignore_patterns: tuple[str, ...] = ()
    max_vanished_share: float = 0.5
    encoder_version: str = ENCODER_VERSION


# Fewer files than this come back in seconds, and half of a handful goes in any clean-up.
FEWEST_VANISHED = 10


def check_vanished(
    key: str, branch: str, vanished: int, indexed: int, rules: IndexRules, options: SyncOptions
) -> None:
    """Pass unless too much of a branch is gone.

    Args:
        key: Partition key, for the message.
        branch: Name of the branch.
        vanished: Indexed files that the tree does not hold any more.
        indexed: Files that were indexed.
        rules: The share.
        options: Whether somebody confirmed it.

    Raises:
        MassDeletionError: With the command that confirms it.
    """
    if options.allow_mass_deletion or vanished <= FEWEST_VANISHED:
        return
    if vanished > indexed * rules.max_vanished_share:
        raise MassDeletionError(
            f"{vanished:,} of the {indexed:,} indexed files of {key} ({branch}) are gone at once. "
            "Nothing was deleted. Look at the branch; if it is meant so, confirm with "
            f"`ingestion-pipeline sync {key} --allow-mass-deletion`."
        )
