"""Opening what commands work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.repositories import SourceKind, TrackedRepository
from ingestion_pipeline.parse.ignore import validate_ignore_patterns
from ingestion_pipeline.settings import load_settings
from ingestion_pipeline.tracking.track import track_repository

IGNORE_HELP = "Files to leave out, in gitignore syntax; may be repeated. Kept for later syncs."

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def open_command() -> Iterator[Services]:
    """Yield the services that the environment names."""
    with open_services(load_settings()) as services:
        yield services


def looks_like_path(reference: str) -> bool:
    """Whether a person who typed this meant a folder of this machine."""
    return reference.startswith((".", "/", "~")) or Path(reference).is_dir()


def track_reference(
    services: Services,
    reference: str,
    branches: tuple[str, ...] | None,
    *,
    local: bool,
    ignore_patterns: tuple[str, ...] | None = None,
) -> TrackedRepository:
    """Track by name, URL or path; None for branches and patterns keeps those there are.

    Raises:
        ConfigurationError: A path, and local repositories are switched off; a malformed pattern.
    """
    validate_ignore_patterns(ignore_patterns or ())
    if local and not services.settings.allow_local_repositories:
        raise ConfigurationError(
            "Local repositories are switched off. Set INGESTION_ALLOW_LOCAL_REPOSITORIES=true."
        )
    kind = SourceKind.LOCAL if local else SourceKind.GITHUB
    return track_repository(
        *(reference, branches, services.hosts, services.state, services.clock, kind),
        ignore_patterns=ignore_patterns,
    )
