"""Builds the adapters that the settings name; the only place that knows all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion_pipeline.core.clock import Clock, SystemClock
from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import CollectionSpec
from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.embed import ENCODER_DIM, ENCODER_VERSION
from ingestion_pipeline.parse.grammars import get_parser_version
from ingestion_pipeline.points.build import POINTS_VERSION
from ingestion_pipeline.settings import MEBIBYTE, Settings
from ingestion_pipeline.sources.git import GitLimits, GitMirror
from ingestion_pipeline.sources.local import LocalCodeHost
from ingestion_pipeline.state import open_state_store

# One object, so that what is kept per clock is kept per process.
SYSTEM_CLOCK = SystemClock()

if TYPE_CHECKING:
    from ingestion_pipeline.embed.encoder import Encoder


@dataclass
class Services:
    """Everything a run, a sensor tick or a command works with.

    Adapters are opened at first use: a tick that touches no point never opens the point store.

    Args:
        settings: Where to find things.
        clock: Tells the time.
        make_state: Opens the state store.
        make_store: Opens the point store.
        make_hosts: Opens the code hosts.
    """

    settings: Settings
    clock: Clock = SYSTEM_CLOCK
    make_state: Callable[[Settings], StateStore] = lambda settings: open_state_store(
        settings.state_url
    )
    make_store: Callable[[Settings], PointStore] = lambda settings: build_point_store(settings)
    make_hosts: Callable[[Settings, Clock], Mapping[SourceKind, CodeHost]] = (
        lambda settings, clock: build_hosts(settings, clock)
    )

    @cached_property
    def state(self) -> StateStore:
        """The state store, upgraded to this version's schema."""
        return self.make_state(self.settings)

    @cached_property
    def store(self) -> PointStore:
        """The point store."""
        return self.make_store(self.settings)

    @cached_property
    def hosts(self) -> Mapping[SourceKind, CodeHost]:
        """The code hosts by kind."""
        return self.make_hosts(self.settings, self.clock)

    @cached_property
    def encoder(self) -> "Encoder":
        """The encoder on the configured device; imports torch."""
        from ingestion_pipeline.embed.encoder import load_encoder

        return load_encoder(self.settings.device)

    def encode_text(self, text: str) -> Sequence[float]:
        """Embed a query; (D,) floats of unit length."""
        return [float(value) for value in self.encoder.encode_text(text)]

    @property
    def collection(self) -> CollectionSpec:
        """The collection that code points of this encoder live in."""
        name = f"{self.settings.collection}_{ENCODER_VERSION}"
        return CollectionSpec(name=name, dense_size=ENCODER_DIM)

    @property
    def fingerprint(self) -> str:
        """Of the pipeline and of the settings that decide which files have points."""
        return f"{get_fingerprint()}_files-{self.settings.max_file_kib}-kib"

    def open_mirror(self, source: SourceId) -> GitMirror:
        """Return the bare mirror of a source."""
        return build_mirror(self.settings, source)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("store", "state"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Yield the services of these settings and close them afterwards."""
    services = Services(settings)
    try:
        yield services
    finally:
        services.close()


def get_fingerprint() -> str:
    """Return what identifies the pipeline: points written under another one are stale."""
    return f"parser-{get_parser_version()}_encoder-{ENCODER_VERSION}_points-{POINTS_VERSION}"


def build_point_store(settings: Settings) -> PointStore:
    """Return Qdrant over HTTP when a URL is set, else the embedded Qdrant Edge."""
    if settings.qdrant_url is None:
        from ingestion_pipeline.points.edge_store import EdgePointStore

        return EdgePointStore(settings.data_path / "qdrant", settings.edge_lock_timeout_seconds)
    from ingestion_pipeline.points.qdrant_store import QdrantPointStore

    key = settings.qdrant_api_key
    return QdrantPointStore(
        settings.qdrant_url,
        api_key=key.get_secret_value() if key else None,
        timeout_seconds=settings.qdrant_timeout_seconds,
        shard_number=settings.qdrant_shard_number,
        replication_factor=settings.qdrant_replication_factor,
    )


def build_hosts(settings: Settings, clock: Clock) -> Mapping[SourceKind, CodeHost]:
    """Return the code hosts by kind."""
    token = settings.github_token
    return {
        SourceKind.GITHUB: _get_github_host(
            str(settings.github_api_url).rstrip("/"),
            token.get_secret_value() if token else None,
            settings.allowed_hosts,
            settings.github_timeout_seconds,
            clock,
        ),
        SourceKind.LOCAL: LocalCodeHost(is_allowed=settings.allow_local_repositories),
    }


@lru_cache(maxsize=4)
def _get_github_host(
    api_url: str,
    token: str | None,
    allowed_hosts: tuple[str, ...],
    timeout_seconds: float,
    clock: Clock,
) -> CodeHost:
    """Return one host object per process: it keeps ETags from one sensor tick to the next."""
    from ingestion_pipeline.sources.github import GitHubCodeHost

    return GitHubCodeHost(
        api_url=api_url,
        token=token,
        allowed_hosts=allowed_hosts,
        timeout_seconds=timeout_seconds,
        clock=clock,
    )


def build_mirror(settings: Settings, source: SourceId) -> GitMirror:
    """Return the bare mirror of a source under the data folder."""
    folder: Path = settings.data_path / "mirrors"
    limits = GitLimits(
        max_repository_bytes=settings.max_repository_mib * MEBIBYTE,
        max_file_bytes=settings.max_file_kib * 1024,
        timeout_seconds=settings.clone_timeout_seconds,
    )
    return GitMirror(folder / f"{source.kind}-{source.stable_id}.git", limits)
