"""A repository of its own inside a mirror, for what the shallow mirror cannot tell.

It is fetched by object id, after the mirror, and only helps: where it cannot be fetched the sync
goes on, and the reason is told.
"""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import IngestionError, RepositoryLimitError
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.mirror_files import Manifest, find_damage, write_manifest
from ingestion_pipeline.sources.git.packs import MergeFailedError, merge_packs
from ingestion_pipeline.sources.git.remote import (
    UnexplainedFailureError,
    explain,
    init_git_dir,
    name_ref,
    run_fetch,
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SideRepository:
    """One of them.

    Args:
        git_dir: The mirror.
        name: Of the folder inside it.
        what: What it holds, for messages, as a subject: ``The list of commits``.
        arguments: Of ``git fetch``: what is left out.
        first_arguments: Of the first one, in addition: how deep it goes. Later ones bring what is
            new; asked for a depth, git would look through all that is there (0.1 s at a thousand
            commits). A merge of what forked before that depth brings the fork's whole history.
        kept_files: Files in the folder that outlive its being made anew.
    """

    git_dir: Path
    name: str
    what: str
    arguments: Sequence[str]
    first_arguments: Sequence[str] = ()
    kept_files: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.git_dir / self.name

    @property
    def _given_up_path(self) -> Path:
        # Beside the mirror's objects, because the folder itself is gone when this is written.
        return self.git_dir / f"ingestion-no-{self.name}"

    def update(
        self,
        source: FetchSource,
        wanted: Mapping[str, str],
        limits: GitLimits,
        then: Callable[[], None],
    ) -> str:
        """Fetch commits, then do something with them; only under the mirror's lock.

        Args:
            source: Where the mirror was just fetched from.
            wanted: Name that a commit is kept under → its id.
            limits: The mirror's; a quarter of its size may be taken.
            then: May raise what reading a repository raises.

        Returns:
            Why it could not be done, "" when it was.
        """
        quarter = replace(limits, max_repository_bytes=limits.max_repository_bytes // 4)
        given_up = self._read_given_up(quarter)
        if given_up:
            return given_up
        try:
            self._fetch(source, wanted, quarter)
            then()
        except RepositoryLimitError as error:
            # Remembered, or every sync would try again.
            shutil.rmtree(self.folder, ignore_errors=True)
            text = f"{quarter.max_repository_bytes} {quarter.timeout_seconds}"
            self._given_up_path.write_text(text, encoding="ascii")
            return self._tell(f"{self.what} is too long. {error}")
        except (IngestionError, UnexplainedFailureError, MergeFailedError) as error:
            return self._tell(f"{self.what} could not be read. {error}")
        return ""

    def _fetch(self, source: FetchSource, wanted: Mapping[str, str], limits: GitLimits) -> None:
        """Fetch; a folder that git cannot go on with is made anew, once."""
        if not find_damage(self.folder):
            try:
                return self._fetch_once(source, wanted, limits, self.arguments)
            except (UnexplainedFailureError, RepositoryLimitError) as failure:
                _logger.info("Fetching %s of %s anew: %s", self.name, self.git_dir.name, failure)
        self._recreate(len(next(iter(wanted.values()))))
        return self._fetch_once(source, wanted, limits, [*self.first_arguments, *self.arguments])

    def _fetch_once(
        self,
        source: FetchSource,
        wanted: Mapping[str, str],
        limits: GitLimits,
        arguments: Sequence[str],
    ) -> None:
        # By id: the branches may have moved since the mirror was fetched.
        refspecs = [f"+{sha}:{name_ref(name, 'refs/tips/')}" for name, sha in wanted.items()]
        arguments = [*arguments, "origin"]
        outcome = run_fetch(self.folder, source, arguments, limits, wanted=refspecs)
        if outcome.exit_code != 0:
            raise explain(outcome, self.folder, source, limits)
        write_manifest(self.folder, Manifest())
        merge_packs(self.folder, limits)

    def _recreate(self, id_length: int) -> None:
        paths = [path for name in self.kept_files if (path := self.folder / name).is_file()]
        kept = {path: path.read_bytes() for path in paths}
        shutil.rmtree(self.folder, ignore_errors=True)
        init_git_dir(self.folder, "sha1" if id_length == 40 else "sha256")
        for path, content in kept.items():
            path.write_bytes(content)

    def _read_given_up(self, limits: GitLimits) -> str:
        try:
            size, seconds = self._given_up_path.read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return ""
        if limits.max_repository_bytes > int(size) or limits.timeout_seconds > float(seconds):
            return ""
        return (
            f"{self.what} is larger than {int(size) / 2**20:g} MiB or takes longer than "
            f"{float(seconds):g} s. Raise INGESTION_MAX_REPOSITORY_MIB or "
            "INGESTION_CLONE_TIMEOUT_SECONDS to have it read."
        )

    def _tell(self, reason: str) -> str:
        _logger.warning("Mirror %s: %s", self.git_dir.name, reason)
        return reason
