"""References to what is indexed: ``path`` or ``path::symbol``."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion_pipeline.core.errors import InvalidQueryError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import PointFilter, StoredPoint
from ingestion_pipeline.search.fusion import identify
from ingestion_pipeline.search.hits import FILE_KIND, SearchFilters, get_text

SEPARATOR = "::"
_EXAMPLES = 8


@dataclass(frozen=True, slots=True)
class CodeReference:
    """A file, or a symbol of one when ``symbol`` is not ""."""

    path: str
    symbol: str = ""

    def __str__(self) -> str:
        return f"{self.path}{SEPARATOR}{self.symbol}" if self.symbol else self.path


def parse_reference(text: str) -> CodeReference:
    """Return the reference that a person typed.

    Raises:
        InvalidQueryError: No path, or ``::`` without a symbol.
    """
    path, separator, symbol = text.strip().partition(SEPARATOR)
    path, symbol = path.strip().removeprefix("./"), symbol.strip()
    if not path or (separator and not symbol):
        raise InvalidQueryError(
            f"{text!r} does not name a file or a symbol. Give path or path::symbol, for example "
            "src/app.py::App.run."
        )
    return CodeReference(path, symbol)


def find_point(
    reference: CodeReference, store: PointStore, collection: str, filters: SearchFilters
) -> StoredPoint:
    """Return the one point that a reference means, with its vectors.

    A symbol may be given by its key (``App.run``) or, where that is unique, by its last part.
    The same content on several branches is one.

    Raises:
        InvalidQueryError: Nothing has this path or symbol, or several different things have.
        PointStoreUnavailableError: From the store.
        AuthenticationError: From the store.
    """
    named = {"path": reference.path, "repo": filters.repo, "branch": filters.branch}
    where = PointFilter({name: value for name, value in named.items() if value})
    at_path = list(store.scroll(collection, where))
    candidates = _match(reference, at_path)
    if not candidates:
        raise InvalidQueryError(_explain_missing(reference, at_path))
    if len({(*identify(p.payload), get_text(p.payload, "blob_sha")) for p in candidates}) > 1:
        raise InvalidQueryError(_explain_ambiguous(reference, candidates))
    found = store.retrieve(collection, [candidates[0].id], with_vectors=True)
    if not found:
        raise InvalidQueryError(f"{reference} was removed from the index just now.")
    return found[0]


def _match(reference: CodeReference, points: Sequence[StoredPoint]) -> list[StoredPoint]:
    if not reference.symbol:
        return [p for p in points if get_text(p.payload, "kind") == FILE_KIND]
    named = [(get_text(p.payload, "symbol"), p) for p in points]
    exact = [p for symbol, p in named if symbol == reference.symbol]
    return exact or [p for symbol, p in named if symbol.endswith(f".{reference.symbol}")]


def _explain_missing(reference: CodeReference, at_path: Sequence[StoredPoint]) -> str:
    if not at_path:
        return (
            f"No indexed file has the path {reference.path}. Give the whole path within its "
            "repository, as search shows it, and check the filters for repository and branch."
        )
    symbols = sorted({get_text(p.payload, "symbol") for p in at_path} - {""})
    return f"{reference.path} has no symbol {reference.symbol!r}. It has: {_list(symbols)}."


def _explain_ambiguous(reference: CodeReference, candidates: Sequence[StoredPoint]) -> str:
    names = sorted({_describe(point) for point in candidates})
    return (
        f"{reference} may mean {len(names)} things: {_list(names)}. Give the whole symbol, or "
        "narrow it down by repository (repo) and branch."
    )


def _describe(point: StoredPoint) -> str:
    repo, path, symbol = identify(point.payload)
    return f"{repo}@{get_text(point.payload, 'branch')} {CodeReference(path, symbol)}"


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
    return f"{', '.join(names[:_EXAMPLES]) or 'none'}{more}"
