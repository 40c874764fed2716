"""A persistent bare repository per source: fetched under a lock, mended by itself, read at will."""

import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion_pipeline.core.code import SourceFile, TreeEntry
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import HostNotAllowedError, RepositoryBusyError
from ingestion_pipeline.sources.git import mirror_files, remote, trees
from ingestion_pipeline.sources.git.environment import find_protocol
from ingestion_pipeline.sources.git.failures import make_size_error, make_unexplained_error
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import MirrorDamagedError
from ingestion_pipeline.sources.git.remote import FetchedHeads, UnexplainedFailureError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What a fetch brought.

    Args:
        heads: Branch to commit sha, for those of the wanted branches that exist.
        is_empty: The repository has no branch at all.
        commits_pulled: New commits, None while only the newest one is fetched.
        duration_seconds: Waiting for the lock included.
        rebuilt_because: Why the mirror was built from nothing, "" when it was only brought up to
            date.
    """

    heads: Mapping[str, str]
    is_empty: bool
    commits_pulled: int | None
    duration_seconds: float
    rebuilt_because: str = ""


class GitMirror:
    """The objects of one repository's tracked branches, shared by all of them.

    Holds the newest commit of each branch and, where the server can leave them out, no blob over
    the limit. Concurrent fetches wait for one another. Readers take no lock: a fetch only adds, and
    the rare rebuild makes a reader fail with ``MirrorDamagedError``, never see half of a tree.

    Args:
        path: The bare repository's folder; ``.building``, ``.discarded`` and ``.lock`` are put
            beside it under its name.
        limits: Bounds on size and time.
        allowed_protocols: Of ``http``, ``https``, ``file``. Only the one that a source's URL names
            is open to git during its fetch.
    """

    def __init__(
        self,
        path: Path,
        limits: GitLimits,
        allowed_protocols: Sequence[str] = ("https", "http", "file"),
    ) -> None:
        self.path = path
        self._limits = limits
        self._allowed_protocols = frozenset(allowed_protocols)

    def fetch(self, source: FetchSource, branches: Sequence[str]) -> FetchResult:
        """Bring the mirror up to date, whatever state it and the branches are in.

        Args:
            source: Where to fetch from; its host has been checked against the allow-list.
            branches: Names without ``refs/heads/``; ``HEAD`` for what the remote points at. A
                branch that is gone is absent from the result.

        Raises:
            BranchNotFoundError: None of the branches exists, though the repository has others.
            RepositoryLimitError: Larger, or slower to fetch, than the settings allow.
            RepositoryUnavailableError: 403, 404, 451, a redirect, malformed objects.
            AuthenticationError: 401.
            HostUnavailableError: No proper answer; also for whatever git says that is not known.
            HostNotAllowedError: The URL's protocol is not allowed.
            RepositoryBusyError: Another fetch held the mirror all the time.
        """
        if find_protocol(source.url) not in self._allowed_protocols:
            raise HostNotAllowedError(
                f"{source.url}: only {', '.join(sorted(self._allowed_protocols))} may be fetched."
            )
        begin = time.monotonic()
        with self._locked():
            fetched, reason = self._fetch_or_rebuild(source, branches)
        seconds = time.monotonic() - begin
        return FetchResult(fetched.heads, fetched.is_empty, None, seconds, reason)

    def remove(self) -> None:
        """Delete the mirror; nothing happens when there is none.

        Raises:
            RepositoryBusyError: A fetch held it all the time.
        """
        with self._locked():
            shutil.rmtree(self.path, ignore_errors=True)

    def list_tree(self, commit_sha: str) -> list[TreeEntry]:
        """Return everything that a fetched commit holds: all of it, or an error.

        Raises:
            MirrorDamagedError: Objects are missing or broken, or the commit was never fetched; the
                next fetch builds the mirror anew.
            RepositoryLimitError: More than ``max_tree_entries``.
            RepositoryUnavailableError: The tree lists a path twice.
            ValueError: ``commit_sha`` is not a full object id.
        """
        with self._noticing_damage():
            damage = mirror_files.find_damage(self.path)
            if damage:
                raise MirrorDamagedError(f"Mirror {self.path.name}: {damage}.")
            return trees.list_tree(self.path, commit_sha, self._limits)

    def read_files(self, entries: Iterable[TreeEntry]) -> Iterator[SourceFile]:
        """Yield the contents of listed files, in order, one in memory at a time.

        Raises:
            MirrorDamagedError: A blob is missing or broken; see ``list_tree``.
            RepositoryLimitError: A file is over ``max_file_bytes``.
            ValueError: An entry is a symlink or a submodule; raised at once.
        """
        wanted = list(entries)
        trees.check_readable(wanted)
        return self._read(wanted)

    def _read(self, entries: Sequence[TreeEntry]) -> Iterator[SourceFile]:
        with self._noticing_damage():
            yield from trees.read_files(self.path, entries, self._limits)

    @contextmanager
    def _noticing_damage(self) -> Iterator[None]:
        try:
            yield
        except MirrorDamagedError as damage:
            mirror_files.mark_damaged(self.path)
            raise MirrorDamagedError(
                f"The mirror {self.path} cannot be read ({damage}). The next fetch builds it anew; "
                "start again from the clone."
            ) from damage

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock", timeout=self._limits.timeout_seconds)
        try:
            lock.acquire()
        except Timeout:
            raise RepositoryBusyError(
                f"Another fetch has held {self.path.name} for {self._limits.timeout_seconds:g} s. "
                "It is tried again; INGESTION_CLONE_TIMEOUT_SECONDS sets the limit."
            ) from None
        try:
            mirror_files.remove_leftovers(self.path)
            yield
        finally:
            mirror_files.remove_leftovers(self.path)
            lock.release()

    def _fetch_or_rebuild(
        self, source: FetchSource, branches: Sequence[str]
    ) -> tuple[FetchedHeads, str]:
        """Return the heads, and why the mirror was rebuilt."""
        reason = mirror_files.find_damage(self.path) or mirror_files.find_excess(
            self.path, self._limits
        )
        if not reason:
            try:
                fetched = self._update(source, branches)
                reason = mirror_files.find_excess(self.path, self._limits)
            except UnexplainedFailureError as failure:
                reason = f"git could not go on with it: {failure}"
            else:
                if not reason:
                    return fetched, ""
        _logger.info("Building mirror %s: %s.", self.path.name, reason)
        return self._rebuild(source, branches), reason

    def _update(self, source: FetchSource, branches: Sequence[str]) -> FetchedHeads:
        fetched = remote.fetch_branches(self.path, source, branches, self._limits)
        # Never more than before, or the mirror would have been rebuilt: the lowest limit counts,
        # because blobs that a fetch left out do not come with a later one.
        mirror_files.write_manifest(self.path, self._limits.max_file_bytes)
        return fetched

    def _rebuild(
        self, source: FetchSource, branches: Sequence[str], object_format: str = "sha1"
    ) -> FetchedHeads:
        building = self.path.with_name(f"{self.path.name}.building")
        try:
            remote.init_git_dir(building, object_format)
            fetched = remote.fetch_branches(building, source, branches, self._limits)
        except UnexplainedFailureError as failure:
            shutil.rmtree(building, ignore_errors=True)
            if "server sha256" in str(failure) and object_format == "sha1":
                return self._rebuild(source, branches, "sha256")
            raise make_unexplained_error(source, str(failure)) from None
        if mirror_files.measure_bytes(building) > self._limits.max_repository_bytes:
            mirror_files.mark_damaged(self.path)
            raise make_size_error(source.url, self._limits)
        mirror_files.write_manifest(building, self._limits.max_file_bytes)
        mirror_files.swap_in(building, self.path)
        return fetched
