"""The page's search: what the form asks, what came of it, and where hits stand on their host."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ingestion_pipeline.api.overview import RepositoryRow
from ingestion_pipeline.api.turnstile import Turnstile
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import IngestionError, InvalidQueryError, TransientError
from ingestion_pipeline.queries import find_by_words
from ingestion_pipeline.search.hits import SearchFilters, SearchHit

_logger = logging.getLogger(__name__)

LONGEST_QUERY = 500


@dataclass(frozen=True, slots=True)
class SearchForm:
    """What was asked, as it came.

    Args:
        words: None where nothing was searched for.
        repo: ``owner/name``, "" for any.
        language: As in the payload, "" for any.
        kind: As in the payload, "" for files and symbols.
    """

    words: str | None = None
    repo: str = ""
    language: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class FoundHit:
    """One hit.

    Args:
        hit: It.
        url: Of its lines at the commit that was indexed, "" where the host shows none.
    """

    hit: SearchHit
    url: str


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What came of a search.

    Args:
        hits: The best first.
        status: Of HTTP.
        trouble: Why there are no hits, in words; "" where the search was answered.
    """

    hits: Sequence[FoundHit] = ()
    status: int = 200
    trouble: str = ""


def run_search(
    services: Services,
    form: SearchForm,
    repositories: Sequence[RepositoryRow],
    turnstile: Turnstile,
) -> SearchOutcome:
    """Search, or say in words why that cannot be; what no visitor can mend goes to the log alone.

    Args:
        services: Ports.
        form: Its words are not None.
        repositories: Those that hits may be linked to.
        turnstile: That searches pass.
    """
    try:
        with turnstile.passing():
            hits = find_by_words(services, _check_words(form), _make_filters(form))
    except InvalidQueryError as error:
        return SearchOutcome(status=400, trouble=str(error))
    except TransientError as error:
        _logger.warning("A search could not be answered: %s", error)
        return SearchOutcome(
            status=503, trouble="The search does not answer just now. Try again in a moment."
        )
    except IngestionError:
        _logger.exception("A search could not be answered")
        return SearchOutcome(
            status=500, trouble="The search could not be answered. The server's log says why."
        )
    rows = {str(row.repository.source): row for row in repositories}
    return SearchOutcome([FoundHit(hit, make_source_url(hit, rows)) for hit in hits])


def make_source_url(hit: SearchHit, repositories: Mapping[str, RepositoryRow]) -> str:
    """Return where a person reads a hit on GitHub, "" where there is no such place.

    At the commit that was indexed, so that the lines are the ones shown; while a sync writes, no
    commit is whole, and the branch has to do.

    Args:
        hit: It.
        repositories: Source → row.
    """
    row = repositories.get(hit.source)
    base = get_web_url(row) if row else ""
    if row is None or not base or not hit.path:
        return base
    heads = {branch.branch: branch.head_sha for branch in row.branches}
    at = heads.get(hit.branch) or hit.branch
    lines = f"#L{hit.start_line}-L{hit.end_line}" if hit.start_line and hit.symbol else ""
    return f"{base}/blob/{quote(at)}/{quote(hit.path)}{lines}"


def get_web_url(row: RepositoryRow) -> str:
    """Return where a person looks at a repository; "" for what is not http or https."""
    url = row.repository.hosted.web_url
    parts = urlsplit(url)
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def _check_words(form: SearchForm) -> str:
    words = form.words or ""
    if len(words) > LONGEST_QUERY:
        raise InvalidQueryError(f"The search is longer than {LONGEST_QUERY} characters.")
    return words


def _make_filters(form: SearchForm) -> SearchFilters:
    kinds = (form.kind,) if form.kind else ()
    return SearchFilters(repo=form.repo, language=form.language, kinds=kinds)
