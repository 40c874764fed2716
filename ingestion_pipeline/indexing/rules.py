"""What decides which files are indexed and how a sync was asked for."""

from dataclasses import dataclass

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
    """

    full_reindex: bool = False
    allow_mass_deletion: bool = False


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
