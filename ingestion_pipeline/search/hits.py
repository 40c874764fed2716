"""What may be searched for, and what is found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ingestion_pipeline.core.code import SymbolKind
from ingestion_pipeline.core.errors import EncoderMismatchError, InvalidQueryError
from ingestion_pipeline.core.points import PointFilter, ScoredPoint, StoredPoint

FILE_KIND = "file"
REPOSITORY_KIND = "repository"
# A repository's own point is the mean of its files and would stand high in every answer.
SYMBOL_KINDS = tuple(kind.value for kind in SymbolKind)
DEFAULT_KINDS = (FILE_KIND, *SYMBOL_KINDS)
ALL_KINDS = (*DEFAULT_KINDS, REPOSITORY_KIND)

LONGEST_ANSWER = 1000


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Conditions that must all hold; "" and () mean any.

    Args:
        repo: ``owner/name``.
        branch: Name of a branch.
        language: As in the payload, for example ``python``.
        kinds: Of ``repository``, ``file``, ``class``, ``function``, ``method``; empty for all but
            ``repository``.
    """

    repo: str = ""
    branch: str = ""
    language: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One file or symbol that was found.

    Args:
        id: Of the point.
        repo: ``owner/name``.
        branch: Where the point shown is from.
        other_branches: Further branches on which the same file or symbol was found.
        path: Within the repository.
        symbol: Key of the symbol, "" for a file.
        kind: ``file``, ``class`` …
        language: As in the payload.
        signature: Declaration of a symbol, "" for a file.
        start_line: 1-based, inclusive; 0 when the payload has none.
        end_line: 1-based, inclusive; 0 when the payload has none.
        score: Standard deviations above the candidates' mean, summed over the signals; compares
            within one answer only.
        why: What found it, and its place there: ``dense #3, words #1``; for a file also the symbol
            that it was found through, references and common commits.
        source: Whose it is.
        blob_sha: Git object id of the file, "" for a repository's own point.
        snippet: Some lines of it, "" where nobody has read them.
        snippet_line: Number of the first one, 1-based; 0 without a snippet.
    """

    id: str
    repo: str
    branch: str
    other_branches: tuple[str, ...]
    path: str
    symbol: str
    kind: str
    language: str
    signature: str
    start_line: int
    end_line: int
    score: float
    why: str
    source: str = ""
    blob_sha: str = ""
    snippet: str = ""
    snippet_line: int = 0


def make_filter(filters: SearchFilters) -> PointFilter:
    """Return the store's filter.

    Raises:
        InvalidQueryError: An unknown kind.
    """
    unknown = [kind for kind in filters.kinds if kind not in ALL_KINDS]
    if unknown:
        raise InvalidQueryError(
            f"Unknown kind {', '.join(unknown)}. Choose from: {', '.join(ALL_KINDS)}."
        )
    named = {"repo": filters.repo, "branch": filters.branch, "language": filters.language}
    equals: dict[str, str | int | tuple[str, ...]] = {
        name: value for name, value in named.items() if value
    }
    equals["kind"] = filters.kinds or DEFAULT_KINDS
    return PointFilter(equals)


def check_encoder(points: Iterable[ScoredPoint | StoredPoint], version: str) -> None:
    """Refuse points that another encoder made: their scores mean nothing.

    Args:
        points: What a store answered.
        version: Of the encoder that made the query; "" for a query of points with one another.

    Raises:
        EncoderMismatchError: One of them is another's.
    """
    for point in points:
        found = get_text(point.payload, "encoder_version")
        if version and found != version:
            repo = get_text(point.payload, "repo")
            raise EncoderMismatchError(
                f"{repo} has points of the encoder {found or 'of an unknown version'} among those "
                f"of {version}; they cannot be compared. Write them again: ingestion-pipeline sync "
                f"{repo} --full-reindex"
            )


def check_limit(limit: int) -> None:
    """Refuse a number of hits that cannot be served.

    Raises:
        InvalidQueryError: Below 1 or above ``LONGEST_ANSWER``.
    """
    if not 1 <= limit <= LONGEST_ANSWER:
        raise InvalidQueryError(f"Ask for 1 to {LONGEST_ANSWER} hits, not {limit}.")


def get_text(payload: Mapping[str, Any], name: str) -> str:
    """Return a payload field as text, "" where there is none."""
    value = payload.get(name)
    return "" if value is None else str(value)
