"""Fetches single blobs into a mirror that was fetched without them.

One request names all that are missing, the way git itself fetches what a partial clone lacks. A
server does not tell sizes beforehand, and a filter does not apply to what is asked for by name, so
a huge blob with an innocent name comes along. The request may therefore bring no more than that
many blobs under the limit can be; when it does, the culprits are found by halving it, each half
with half the allowance. A large request is not halved but made the other way: the branches once
more, with the filter that leaves large blobs out. That is also the way where a server gives out
nothing by name.
"""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import RepositoryUnavailableError, TransientError
from ingestion_pipeline.sources.git import trees
from ingestion_pipeline.sources.git.failures import (
    FILE_TOO_LARGE,
    MISSING_REF,
    UNKNOWN_OBJECT,
    make_size_error,
    make_unexplained_error,
)
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import (
    Manifest,
    MirrorDamagedError,
    read_manifest,
    remove_unfinished_packs,
    write_manifest,
)
from ingestion_pipeline.sources.git.remote import (
    NO_BLOBS,
    UnexplainedFailureError,
    drop_ref,
    explain,
    make_refspecs,
    read_refs,
    run_fetch,
)

_logger = logging.getLogger(__name__)
# Halving a request with one huge blob brings about twice its allowance in vain, so this is for
# requests that are small beside a repository.
MOST_HALVED = 256
_SIZED_REFS = "refs/sized/"


@dataclass(frozen=True, slots=True)
class FetchedBlobs:
    """What a fetch of blobs brought.

    Args:
        fetched: How many came that were not there before.
        too_large: Of the requested ones, those that are over ``max_file_bytes`` and were left out;
            reading them yields ``SkippedFile``.
        note: What an operator should know about the server, "" for nothing.
    """

    fetched: int = 0
    too_large: frozenset[str] = frozenset()
    note: str = ""


class _OverAllowanceError(Exception):
    """More bytes came than blobs under the limit can have."""


class _RefusedError(Exception):
    """The server does not have one of the blobs, or gives out none by id."""


@dataclass(frozen=True, slots=True)
class BlobRequest:
    """A fetch of blobs into one mirror, under the mirror's lock.

    Args:
        git_dir: The mirror.
        source: Where to fetch from.
        limits: On blobs, on the pack, on time.
    """

    git_dir: Path
    source: FetchSource
    limits: GitLimits

    def fetch(self, wanted: Iterable[str]) -> FetchedBlobs:
        """Fetch those of the blobs that are missing; no request is made when none are.

        Raises:
            MirrorDamagedError: git does not know how to go on with the mirror.
            TransientError: The connection broke, or the branches moved meanwhile.
            IngestionError: As ``GitMirror.fetch``.
        """
        manifest = read_manifest(self.git_dir) or Manifest()
        limit = self.limits.max_file_bytes
        unique = list(dict.fromkeys(wanted))
        known = frozenset(sha for sha in unique if manifest.left_out.get(sha, -1) >= limit)
        missing = self._find_missing(sha for sha in unique if sha not in known)
        if not missing:
            return FetchedBlobs(too_large=known)
        try:
            large, complete_below = self._fetch_missing(missing, manifest)
        except UnexplainedFailureError as failure:
            # A repository of this machine has no host whose words are known: when the git that
            # serves it dies, the objects lack there, and building the mirror anew would not help.
            if "remote end hung up" in str(failure):
                raise make_unexplained_error(self.source, str(failure)) from None
            raise MirrorDamagedError(str(failure)) from failure
        manifest = replace(
            manifest,
            left_out={**manifest.left_out, **dict.fromkeys(large, limit)},
            complete_below=complete_below,
            superseded=(),
        )
        write_manifest(self.git_dir, manifest)
        note = "" if complete_below is None else _REFUSED_NOTE
        return FetchedBlobs(len(missing) - len(large), known | large, note)

    def _fetch_missing(
        self, missing: Sequence[str], manifest: Manifest
    ) -> tuple[set[str], int | None]:
        """Return the blobs that are too large, and the manifest's new ``complete_below``."""
        if self.limits.depth > 1:
            return self._fetch_old(missing), None
        large: set[str] = set()
        if manifest.complete_below is None:
            try:
                large = self._fetch_exactly(missing)
            except _OverAllowanceError:
                large = self._fetch_by_size(missing, manifest)
            except _RefusedError:
                large = self._fetch_by_size(missing, manifest, is_last=True)
                _logger.warning("%s: %s", self.source.url, _REFUSED_NOTE)
                return large, self.limits.max_file_bytes
        else:
            large = self._fetch_by_size(missing, manifest, is_last=True)
        return large, manifest.complete_below

    def _fetch_old(self, shas: Sequence[str]) -> set[str]:
        """Fetch blobs by id alone: the branches by size would bring all files of all commits."""
        try:
            return self._fetch_exactly(shas)
        except _OverAllowanceError:
            raise make_size_error(self.source.url, self.limits) from None
        except _RefusedError:
            raise RepositoryUnavailableError(
                f"{self.source.url} gives out no single files, so those of an older commit cannot "
                "be fetched. Use a server that does (git: uploadpack.allowAnySHA1InWant)."
            ) from None

    def _fetch_exactly(self, shas: Sequence[str]) -> set[str]:
        """Fetch these blobs and return those that are too large.

        Raises:
            _OverAllowanceError: Too much came of more than can be halved.
            _RefusedError: The server does not give one of them.
        """
        try:
            self._request(shas)
        except _OverAllowanceError:
            remove_unfinished_packs(self.git_dir)
            if len(shas) == 1:
                return set(shas)
            if len(shas) > MOST_HALVED:
                raise
            half = len(shas) // 2
            return self._fetch_exactly(shas[:half]) | self._fetch_exactly(shas[half:])
        lacking = self._find_missing(shas)
        if lacking:
            raise TransientError(
                f"{self.source.url} did not send {len(lacking)} of {len(shas)} files. It is tried "
                "again."
            )
        return set()

    def _request(self, shas: Sequence[str]) -> None:
        allowance = min(self._sum_allowance(len(shas)), self.limits.max_repository_bytes)
        outcome = run_fetch(
            self.git_dir,
            self.source,
            [f"--filter={NO_BLOBS}", "origin"],
            replace(self.limits, max_repository_bytes=allowance),
            wanted=shas,
            negotiate=False,
        )
        if outcome.exit_code == 0:
            return
        if not outcome.timed_out and FILE_TOO_LARGE.search(outcome.stderr):
            raise _OverAllowanceError
        if not outcome.timed_out and UNKNOWN_OBJECT.search(outcome.stderr):
            raise _RefusedError
        raise explain(outcome, self.git_dir, self.source, self.limits)

    def _sum_allowance(self, count: int) -> int:
        """Return the most bytes that a pack of blobs under the limit can have.

        zlib adds five bytes to every 16 KiB that it cannot compress; a pack adds a header to each
        object, and its index some 40 bytes.
        """
        limit = self.limits.max_file_bytes
        return count * (limit + limit // 1000 + 128) + 65_536

    def _fetch_by_size(
        self, shas: Sequence[str], manifest: Manifest, *, is_last: bool = False
    ) -> set[str]:
        """Fetch all blobs under the limit of the branches' heads; return which are too large.

        Args:
            shas: Blobs that are wanted.
            manifest: Knows the branches' names.
            is_last: There is no other way left for blobs that the heads do not name any more.

        Raises:
            TransientError: The branches have moved on and the blobs are not in them any more.
        """
        self._drop_sized_refs()  # of a fetch that was killed, perhaps under another limit
        size = self.limits.max_file_bytes + 1
        refspecs = make_refspecs(manifest.branches, _SIZED_REFS)
        arguments = ["--depth=1", f"--filter=blob:limit={size}", "origin"]
        outcome = run_fetch(
            *(self.git_dir, self.source, arguments, self.limits), wanted=refspecs, negotiate=False
        )
        if outcome.exit_code != 0 and not MISSING_REF.search(outcome.stderr):
            raise explain(outcome, self.git_dir, self.source, self.limits)
        named = self._drop_sized_refs()
        missing = self._find_missing(shas)
        large = {sha for sha in missing if sha in named}
        rest = [sha for sha in missing if sha not in named]
        if not rest:
            return large
        if not is_last:
            with suppress(_RefusedError, _OverAllowanceError):
                return large | self._fetch_exactly(rest)
        raise TransientError(
            f"The branches of {self.source.url} have moved while they were read: "
            f"{len(rest)} files are not in them any more. Start again from the clone."
        )

    def _drop_sized_refs(self) -> set[str]:
        """Forget the heads that were just fetched by size; returns all blobs that they name."""
        named: set[str] = set()
        for ref, commit_sha in read_refs(self.git_dir, _SIZED_REFS).items():
            named |= {e.blob_sha for e in trees.list_tree(self.git_dir, commit_sha, self.limits)}
            drop_ref(self.git_dir, ref)
        return named

    def _find_missing(self, shas: Iterable[str]) -> list[str]:
        wanted = list(shas)
        present = trees.read_sizes(self.git_dir, wanted)
        return [sha for sha in wanted if sha not in present]


_REFUSED_NOTE = (
    "The server gives out no single files, so all files of the branches are fetched, those over "
    "INGESTION_MAX_FILE_KIB left out."
)
