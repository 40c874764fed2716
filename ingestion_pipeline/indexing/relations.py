"""The relations of a branch's files on their way from the clone to the state."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file
from ingestion_pipeline.core.graph import GraphStructure
from ingestion_pipeline.core.relations import FileRelations
from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.graph.relations import relate_files
from ingestion_pipeline.indexing.handles import ClonedBranch
from ingestion_pipeline.sources.git.commits import Commit


class _Changes(msgspec.Struct, array_like=True):
    files: list[list[str]]
    messages: list[list[int]]


def save_commits(branch: ClonedBranch, commits: Sequence[Commit]) -> None:
    """Write down which files each commit changed, newest first; sweeps over many are left out."""
    kept = [commit for commit in commits if not commit.is_sweep]
    messages = [[hash_term(term) for term in split_text(commit.message)] for commit in kept]
    changes = _Changes([list(commit.modified) for commit in kept], messages)
    _write(branch.commits_path, msgspec.msgpack.encode(changes))


def make_relations(branch: ClonedBranch, structure: GraphStructure) -> None:
    """Relate the files of a branch, by its graph and by what its commits changed.

    Raises:
        ArtifactError: The file of the commits is missing or damaged.
    """
    try:
        commits = branch.commits_path.read_bytes()
        changes = msgspec.msgpack.decode(commits, type=_Changes)
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactError(branch.commits_path, f"cannot be read ({error})") from error
    relations = relate_files(structure, changes.files, changes.messages)
    _write(branch.relations_path, relations.pack())


def load_relations(branch: ClonedBranch) -> FileRelations:
    """Return what ``make_relations`` found.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    try:
        return FileRelations.unpack(branch.relations_path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(branch.relations_path, f"cannot be read ({error})") from error


def _write(path: Path, content: bytes) -> None:
    with replace_file(path) as temporary:
        temporary.write_bytes(content)
