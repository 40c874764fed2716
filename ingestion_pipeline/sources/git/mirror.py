"""A persistent bare repository per source: fetched under a lock, mended by itself, read at will."""

import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion_pipeline.core.code import SkippedFile, SourceFile, TreeEntry
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import HostNotAllowedError, RepositoryBusyError
from ingestion_pipeline.sources.git import history, mirror_files, remote, trees
from ingestion_pipeline.sources.git.blobs import BlobRequest, FetchedBlobs
from ingestion_pipeline.sources.git.commits import (
    MOST_COMMITS_LISTED,
    Commit,
    list_commits,
    load_known,
    save_known,
)
from ingestion_pipeline.sources.git.environment import find_protocol
from ingestion_pipeline.sources.git.failures import make_size_error, make_unexplained_error
from ingestion_pipeline.sources.git.history import CommitCount
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import Manifest, MirrorDamagedError
from ingestion_pipeline.sources.git.packs import MergeFailedError, merge_packs
from ingestion_pipeline.sources.git.remote import FetchedHeads, UnexplainedFailureError
from ingestion_pipeline.sources.git.side_repository import SideRepository

_logger = logging.getLogger(__name__)
# What the listed commits changed, beside their objects.
_KNOWN_COMMITS = "ingestion-commits"
_UNFILTERED_NOTE = (
    "The server cannot leave files out, so a fetch brings all files of the newest commit, however "
    "large."
)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What a fetch brought.

    Args:
        heads: Branch to commit sha, for those of the wanted branches that exist.
        is_empty: The repository has no branch at all.
        commits_pulled: Commits of the heads that the heads of the last count did not have, all of
            them at the first; None when nobody asked, or when they could not be counted, and
            ``notes`` says why.
        duration_seconds: Waiting for the lock included.
        rebuilt_because: Why the mirror was built from nothing, "" when it was only brought up to
            date.
        notes: What an operator should know about the server.
        is_filtered: Whether the server left out what it was asked to leave out.
    """

    heads: Mapping[str, str]
    is_empty: bool
    commits_pulled: int | None
    duration_seconds: float
    rebuilt_because: str = ""
    notes: tuple[str, ...] = ()
    is_filtered: bool = True


class GitMirror:
    """The objects of one repository's tracked branches, shared by all of them.

    Holds the newest commit of each branch with its trees (``--depth=1 --filter=blob:none``; more
    where the limits say so), and those blobs that ``fetch_blobs`` was asked for. All commits,
    without trees, are in a second repository inside, which counts them: see ``history`` for why
    that is cheaper than the trees of a long history and why a shallow repository alone cannot
    count.

    Concurrent fetches wait for one another. Readers take no lock: a fetch only adds, merged packs
    hold what the small ones held, and the rare rebuild makes a reader fail with
    ``MirrorDamagedError``, never see half of a tree.

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

    def fetch(
        self, source: FetchSource, branches: Sequence[str], *, count_commits: bool = True
    ) -> FetchResult:
        """Bring the mirror up to date, whatever state it and the branches are in.

        Args:
            source: Where to fetch from; its host has been checked against the allow-list.
            branches: Names without ``refs/heads/``; ``HEAD`` for what the remote points at. A
                branch that is gone is absent from the result.
            count_commits: Else they are left for the next fetch that counts.

        Raises:
            BranchNotFoundError: None of the branches exists, though the repository has others.
            RepositoryLimitError: Larger, or slower to fetch, than the settings allow.
            RepositoryUnavailableError: 403, 404, 451, a redirect, malformed objects.
            AuthenticationError: 401.
            HostUnavailableError: No proper answer; also for whatever git says that is not known.
            HostNotAllowedError: The URL's protocol is not allowed.
            RepositoryBusyError: Another fetch held the mirror all the time.
        """
        self._check_protocol(source)
        begin = time.monotonic()
        with self._locked():
            fetched, reason = self._fetch_or_rebuild(source, branches)
            count = self._count_commits(source, fetched) if count_commits else CommitCount(None)
        seconds = time.monotonic() - begin
        notes = (count.unknown_because, "" if fetched.is_filtered else _UNFILTERED_NOTE)
        return FetchResult(
            *(fetched.heads, fetched.is_empty, count.pulled, seconds, reason),
            notes=tuple(note for note in notes if note),
            is_filtered=fetched.is_filtered,
        )

    def fetch_blobs(self, source: FetchSource, blob_shas: Iterable[str]) -> FetchedBlobs:
        """Fetch those of the blobs that the mirror lacks, in one request; none when it lacks none.

        Afterwards every one is there, except those over ``max_file_bytes`` that could be left out.

        Args:
            source: As for ``fetch``, which has to come first.
            blob_shas: Of any branch's files, as ``list_tree`` gave them.

        Raises:
            MirrorDamagedError: The mirror is damaged; the next ``fetch`` builds it anew.
            TransientError: The connection broke, or the branches have moved on and the blobs are
                gone. What was there before is there still.
            RepositoryLimitError: The blobs together are over the limit, or took too long.
            ValueError: Not a full object id.
            IngestionError: The others that ``fetch`` raises for the server's answers.
        """
        wanted = list(blob_shas)
        trees.check_ids(wanted)
        self._check_protocol(source)
        with self._locked(), self.noticing_damage():
            self._check_undamaged()
            return BlobRequest(self.path, source, self._limits).fetch(wanted)

    def read_sizes(self, blob_shas: Iterable[str]) -> Mapping[str, int]:
        """Return the size in bytes of those blobs that are in the mirror; the others are absent.

        Raises:
            MirrorDamagedError: See ``list_tree``.
            ValueError: Not a full object id.
        """
        wanted = list(dict.fromkeys(blob_shas))
        trees.check_ids(wanted)
        with self.noticing_damage():
            self._check_undamaged()
            return trees.read_sizes(self.path, wanted)

    def list_commits(
        self, source: FetchSource, heads: Mapping[str, str]
    ) -> tuple[dict[str, list[Commit]], str]:
        """Fetch the newest commits of some branches with their trees, and tell what they changed.

        Never stops a sync: what the answer is for can do without.

        Args:
            source: As for ``fetch``, which has to come first; a server that filters.
            heads: Branch → commit of its head.

        Returns:
            Branch → at most ``MOST_COMMITS_LISTED`` commits, newest first, merges left out; and why
            there is no answer, "" where there is one.

        Raises:
            RepositoryBusyError: Another fetch held the mirror all the time.
        """
        found: dict[str, list[Commit]] = {}
        changes = SideRepository(
            self.path,
            mirror_files.CHANGES_FOLDER,
            "The history of changes",
            [f"--filter={remote.NO_BLOBS}"],
            [f"--depth={MOST_COMMITS_LISTED}"],
            [_KNOWN_COMMITS],
        )

        def read() -> None:
            path = changes.folder / _KNOWN_COMMITS
            known = load_known(path)
            for branch, head_sha in heads.items():
                commits = list_commits(changes.folder, head_sha, MOST_COMMITS_LISTED, known)
                found[branch] = commits
            listed = {commit.sha: commit for commits in found.values() for commit in commits}
            if not listed.keys() <= known.keys():
                save_known(path, listed.values())

        self._check_protocol(source)
        with self._locked():
            reason = changes.update(source, heads, self._limits, read) if heads else ""
        return found, reason

    def remove(self) -> None:
        """Delete the mirror; nothing happens when there is none.

        Raises:
            RepositoryBusyError: A fetch held it all the time.
        """
        with self._locked():
            shutil.rmtree(self.path, ignore_errors=True)

    def list_tree(self, commit_sha: str) -> list[TreeEntry]:
        """Return everything that a fetched commit holds: all of it, or an error.

        Sizes are -1, not known: see ``read_sizes``.

        Raises:
            MirrorDamagedError: Objects are missing or broken, or the commit was never fetched; the
                next fetch builds the mirror anew.
            RepositoryLimitError: More than ``max_tree_entries``.
            RepositoryUnavailableError: The tree lists a path twice.
            ValueError: ``commit_sha`` is not a full object id.
        """
        with self.noticing_damage():
            self._check_undamaged()
            return trees.list_tree(self.path, commit_sha, self._limits)

    def read_files(self, entries: Iterable[TreeEntry]) -> Iterator[SourceFile | SkippedFile]:
        """Yield the contents of listed files, in order, one in memory at a time.

        A file over ``max_file_bytes`` is yielded as ``SkippedFile`` with the reason ``too large``.

        Raises:
            BlobMissingError: ``fetch_blobs`` was not asked for a blob, or the mirror was built anew
                since then.
            MirrorDamagedError: A blob is broken, or was in a pack that is lost; see ``list_tree``.
            ValueError: An entry is a symlink or a submodule; raised at once.
        """
        wanted = list(entries)
        trees.check_readable(wanted)
        return self._read(wanted)

    def _read(self, entries: Sequence[TreeEntry]) -> Iterator[SourceFile | SkippedFile]:
        manifest = mirror_files.read_manifest(self.path) or Manifest()
        with self.noticing_damage():
            try:
                yield from trees.read_files(self.path, entries, self._limits, manifest.left_out)
            except trees.BlobMissingError as missing:
                self._check_undamaged()
                raise trees.BlobMissingError(
                    f"{missing} The mirror {self.path} is sound but never got it, or was built "
                    "anew meanwhile. Start again from the clone."
                ) from missing

    def _check_protocol(self, source: FetchSource) -> None:
        if find_protocol(source.url) not in self._allowed_protocols:
            raise HostNotAllowedError(
                f"{source.url}: only {', '.join(sorted(self._allowed_protocols))} may be fetched."
            )

    def _check_undamaged(self) -> None:
        damage = mirror_files.find_damage(self.path)
        if damage:
            raise MirrorDamagedError(f"Mirror {self.path.name}: {damage}.")

    def _count_commits(self, source: FetchSource, fetched: FetchedHeads) -> CommitCount:
        if not fetched.is_filtered:
            return CommitCount(None, "The server cannot send commits alone, to be counted.")
        return history.count_pulled(self.path, source, fetched.heads.values(), self._limits)

    @contextmanager
    def noticing_damage(self) -> Iterator[None]:
        """Have the next fetch build the mirror anew where reading its objects shows it damaged.

        Raises:
            MirrorDamagedError: It is.
        """
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
            except (UnexplainedFailureError, MergeFailedError) as failure:
                reason = f"git could not go on with it: {failure}"
            else:
                if not reason:
                    return fetched, ""
        _logger.info("Building mirror %s: %s.", self.path.name, reason)
        return self._rebuild(source, branches), reason

    def _update(self, source: FetchSource, branches: Sequence[str]) -> FetchedHeads:
        manifest = mirror_files.read_manifest(self.path) or Manifest()
        object_filter = remote.NO_BLOBS
        if manifest.complete_below is not None:
            # Never less than the limit now, or the mirror would have been rebuilt.
            object_filter = f"blob:limit={manifest.complete_below + 1}"
        fetched = remote.fetch_branches(self.path, source, branches, self._limits, object_filter)
        updated = replace(manifest, branches=tuple(fetched.heads), superseded=())
        mirror_files.write_manifest(self.path, updated)
        merge_packs(self.path, self._limits)
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
        mirror_files.write_manifest(building, Manifest(branches=tuple(fetched.heads)))
        mirror_files.swap_in(building, self.path)
        return fetched
