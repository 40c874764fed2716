"""``GET /api/v1/search``: by words, or by likeness."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from ingestion_pipeline.api.problems import document_reading
from ingestion_pipeline.api.turnstile import Turnstile
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import InvalidQueryError
from ingestion_pipeline.queries import find_by_words, find_like
from ingestion_pipeline.search.hits import SearchFilters

_MOST_HITS = 100
_LONGEST_QUERY = 2000

Kind = Literal["file", "class", "function", "method", "repository"]
Filter = Annotated[str, Query(max_length=255)]


class Hit(BaseModel):
    """One file or symbol; see ``score`` and ``why`` for what found it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    repo: str
    branch: str
    other_branches: list[str]
    path: str
    symbol: str
    kind: str
    language: str
    signature: str
    start_line: int
    end_line: int
    score: float
    why: str
    snippet: str
    snippet_line: int


class Hits(BaseModel):
    """The best first."""

    hits: list[Hit]


def make_search_router(services: Services, turnstile: Turnstile) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["search"])

    @router.get("/api/v1/search", responses=document_reading(400, 422, 503))
    def search(
        q: Annotated[str, Query(max_length=_LONGEST_QUERY, description="Words.")] = "",
        like: Annotated[
            str,
            Query(max_length=_LONGEST_QUERY, description="A file, or a symbol as `PATH::SYMBOL`."),
        ] = "",
        repo: Filter = "",
        branch: Filter = "",
        language: Filter = "",
        kind: Annotated[list[Kind] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_HITS)] = 10,
    ) -> Hits:
        """Find code by words (`q`), or what is like something that is indexed (`like`)."""
        if bool(q) == bool(like):
            raise InvalidQueryError("Give either words (q) or something to be like (like).")
        filters = SearchFilters(repo, branch, language, tuple(kind or ()))
        with turnstile.passing():
            if like:
                found = find_like(services, like, filters, limit)
            else:
                found = find_by_words(services, q, filters, limit)
        return Hits(hits=[Hit.model_validate(hit) for hit in found])

    return router
