"""Builds the adapters that the settings name; the only place that knows all of them."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion_pipeline.cache import ContentCache
from ingestion_pipeline.core.clock import Clock, SystemClock
from ingestion_pipeline.core.code import SourceFile, TreeEntry
from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import CollectionSpec
from ingestion_pipeline.core.repositories import SourceId, SourceKind, TrackedRepository
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.embed import ENCODER_DIM, ENCODER_VERSION
from ingestion_pipeline.embed.installed import (
    list_encoders,
    load_installed_weights,
    read_in_use,
)
from ingestion_pipeline.indexing.encoding import encode_facts
from ingestion_pipeline.indexing.heard_cache import HeardCache
from ingestion_pipeline.indexing.parse import ParseFiles
from ingestion_pipeline.indexing.record_cache import RecordCache, VectorCache
from ingestion_pipeline.indexing.rollout import Rollout
from ingestion_pipeline.indexing.rules import IndexRules
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.notify.addresses import check_webhook_url
from ingestion_pipeline.parse.grammars import get_parser_version
from ingestion_pipeline.parse.limits import ParseLimits
from ingestion_pipeline.parse.pool import ParsePool
from ingestion_pipeline.points.build import POINTS_VERSION
from ingestion_pipeline.settings import MEBIBYTE, Settings
from ingestion_pipeline.sources.git import GitLimits, GitMirror, MirrorDamagedError
from ingestion_pipeline.sources.local import LocalCodeHost
from ingestion_pipeline.state import open_state_store

# One object, so that what is kept per clock is kept per process.
SYSTEM_CLOCK = SystemClock()

if TYPE_CHECKING:
    from ingestion_pipeline.embed.encoder import Encoder
    from ingestion_pipeline.notify.sender import WebhookSender
    from ingestion_pipeline.training.tracked import TrackedHistories


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

    _encoders: "dict[str, Encoder]" = field(default_factory=dict)

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
        """The encoder in use, on the configured device."""
        from ingestion_pipeline.embed.encoder import Encoder

        weights = load_installed_weights(self.encoders_path, self.encoder_version)
        return Encoder(weights, self.settings.device)

    @property
    def encoders_path(self) -> Path:
        """The folder of encoders that were trained here."""
        return self.settings.encoders_path

    @cached_property
    def encoder_version(self) -> str:
        """The version of the encoder in use; it stays the same for these services."""
        return read_in_use(self.encoders_path)

    @property
    def collection(self) -> CollectionSpec:
        """The collection that code points of this encoder live in."""
        name = f"{self.settings.collection}_{self.encoder_version}"
        return CollectionSpec(name=name, dense_size=ENCODER_DIM)

    def make_rules(self, repository: TrackedRepository) -> IndexRules:
        """Return what decides which files of a repository are indexed."""
        settings = self.settings
        return IndexRules(
            settings.max_file_kib * 1024,
            repository.ignore_patterns,
            settings.max_vanished_share,
            self.encoder_version,
        )

    def make_fingerprint(self, repository: TrackedRepository) -> str:
        """Return what identifies pipeline, settings and options that decide what has points."""
        parts = [get_fingerprint(self.encoder_version), f"files-{self.settings.max_file_kib}-kib"]
        if repository.ignore_patterns:
            digest = hashlib.blake2b("\n".join(repository.ignore_patterns).encode(), digest_size=6)
            parts.append(f"ignore-{digest.hexdigest()}")
        return "_".join(parts)

    def make_target(self, repository: TrackedRepository) -> IndexTarget:
        """Return where and by which rules a repository is indexed."""
        return IndexTarget(
            self.state,
            self.store,
            self.collection.name,
            self.make_fingerprint(repository),
            self.make_rules(repository),
            self.rollout.find_serving(),
        )

    @property
    def rollout(self) -> Rollout:
        """Where searches are answered from, and where syncs write."""
        prefix = self.settings.collection
        return Rollout(
            *(self.store, self.state, prefix, self.collection.name),
            lambda: [f"{prefix}_{version}" for version in list_encoders(self.encoders_path)],
        )

    def get_version(self, collection: str) -> str:
        """Return the version of the encoder whose points a collection of ours holds."""
        return collection.removeprefix(f"{self.settings.collection}_")

    def load_encoder(self, version: str) -> "Encoder":
        """Return the encoder of a version, on the configured device.

        Raises:
            EncoderWeightsError: There is none of that version, or its file is damaged.
        """
        if version == self.encoder_version:
            return self.encoder
        if version not in self._encoders:
            from ingestion_pipeline.embed.encoder import Encoder

            weights = load_installed_weights(self.encoders_path, version)
            self._encoders[version] = Encoder(weights, self.settings.device)
        return self._encoders[version]

    @property
    def records(self) -> RecordCache:
        """What the parser said of blobs, shared by all repositories."""
        max_file_bytes = self.settings.max_file_kib * 1024
        return RecordCache(self._record_bytes, get_parser_version(), max_file_bytes)

    @property
    def word_vectors(self) -> VectorCache:
        """Vectors of files' own words, shared by all repositories."""
        version = f"{self.encoder_version}/{get_parser_version()}"
        return VectorCache(self._vector_bytes, version, ENCODER_DIM)

    @property
    def heard(self) -> HeardCache:
        """What the nodes of every branch heard of their neighbours."""
        return HeardCache(self.settings.data_path / "cache" / "heard")

    @cached_property
    def _record_bytes(self) -> ContentCache:
        return self._open_cache("records")

    @cached_property
    def _vector_bytes(self) -> ContentCache:
        return self._open_cache("vectors")

    def _open_cache(self, name: str) -> ContentCache:
        # Half of the room each: vectors are the larger, records the dearer to make anew.
        path = self.settings.data_path / "cache" / f"{name}.db"
        return ContentCache(path, self.settings.cache_mib * MEBIBYTE // 2)

    @contextmanager
    def open_parser(self) -> Iterator[ParseFiles]:
        """Yield the parser, its worker processes started at the first file."""
        workers = self.settings.parse_workers or os.cpu_count() or 1
        limits = ParseLimits(max_file_bytes=self.settings.max_file_kib * 1024)
        with ParsePool(workers, encode_facts, limits) as pool:
            yield pool.parse

    def open_mirror(self, source: SourceId) -> GitMirror:
        """Return the bare mirror of a source."""
        return build_mirror(self.settings, source)

    def read_blobs(self, source: str, blob_shas: Collection[str]) -> Mapping[str, bytes]:
        """Return the contents of those blobs of a source that its mirror holds."""
        mirror = self.open_mirror(SourceId.parse(source))
        try:
            present = mirror.read_sizes(blob_shas)
            files = list(mirror.read_files(TreeEntry("", "100644", sha, -1) for sha in present))
        except MirrorDamagedError:
            return {}  # built anew by the next sync; nothing else rests on it
        return {file.blob_sha: file.content for file in files if isinstance(file, SourceFile)}

    def open_history(self, source: SourceId) -> GitMirror:
        """Return the bare history of a source, which only trainings read."""
        from ingestion_pipeline.training.prepare import MOST_COMMITS

        return build_mirror(self.settings, source, "histories", depth=MOST_COMMITS)

    def open_histories(self, tell: Callable[[str], None]) -> "TrackedHistories":
        """Return the histories of the tracked repositories.

        Args:
            tell: Told, in words, what is read and what is left out.
        """
        from ingestion_pipeline.training.tracked import TrackedHistories

        rows = self.state.list_repositories()
        return TrackedHistories(rows, self.hosts, self.open_history, tell)

    def check_webhook(self, url: str) -> None:
        """Pass when a job may promise a webhook to this URL.

        Raises:
            ConfigurationError: Webhooks cannot be signed, so none are sent.
            WebhookUrlError: The URL is malformed, or may not be reached.
        """
        get_signing_secret(self.settings)
        check_webhook_url(url, self.settings.webhook_allowed_networks)

    @cached_property
    def webhook_sender(self) -> "WebhookSender":
        """Signs and sends webhooks; a ``ConfigurationError`` where no secret is set."""
        from ingestion_pipeline.notify.sender import WebhookSender
        from ingestion_pipeline.notify.signing import WebhookSigner

        signer = WebhookSigner(get_signing_secret(self.settings))
        return WebhookSender(signer, self.settings.webhook_allowed_networks)

    def close(self) -> None:
        """Close what was opened; the caches are brought back to their size."""
        for name in ("store", "state"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
        for name in ("_record_bytes", "_vector_bytes"):
            cache: ContentCache | None = self.__dict__.pop(name, None)
            if cache is not None:
                cache.evict()
                cache.close()


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Yield the services of these settings and close them afterwards."""
    services = Services(settings)
    try:
        yield services
    finally:
        services.close()


def get_fingerprint(encoder_version: str = ENCODER_VERSION) -> str:
    """Return what identifies the pipeline: points written under another one are stale."""
    return f"parser-{get_parser_version()}_encoder-{encoder_version}_points-{POINTS_VERSION}"


def get_signing_secret(settings: Settings) -> str:
    """Return what webhooks are signed with.

    Raises:
        ConfigurationError: It is not set; nothing is ever sent unsigned.
    """
    if settings.webhook_signing_secret is None:
        raise ConfigurationError(
            "Webhooks are off, as nothing can be signed: INGESTION_WEBHOOK_SIGNING_SECRET is not "
            "set. Make one with: echo whsec_$(openssl rand -base64 32)"
        )
    return settings.webhook_signing_secret.get_secret_value()


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


def parse_github_reference(settings: Settings, reference: str) -> str:
    """Return ``owner/name`` for what a person typed, without asking anybody.

    Raises:
        InvalidRepositoryNameError: Malformed.
        HostNotAllowedError: Another host than the configured one.
    """
    from ingestion_pipeline.sources.github.reference import (
        get_web_host,
        parse_api_url,
        parse_reference,
    )

    api_url = parse_api_url(str(settings.github_api_url).rstrip("/"))
    return parse_reference(reference, get_web_host(api_url), settings.allowed_hosts)


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


def build_mirror(
    settings: Settings, source: SourceId, name: str = "mirrors", depth: int = 1
) -> GitMirror:
    """Return the bare mirror of a source in a folder of the data folder."""
    folder: Path = settings.data_path / name
    limits = GitLimits(
        max_repository_bytes=settings.max_repository_mib * MEBIBYTE,
        max_file_bytes=settings.max_file_kib * 1024,
        timeout_seconds=settings.clone_timeout_seconds,
        depth=depth,
    )
    return GitMirror(folder / f"{source.kind}-{source.stable_id}.git", limits)
