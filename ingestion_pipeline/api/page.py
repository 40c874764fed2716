"""``GET /``: a page for people. Nothing on it changes anything, and no host is asked for it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined

from ingestion_pipeline.api.overview import Overview, read_overview
from ingestion_pipeline.api.page_search import (
    LONGEST_QUERY,
    SearchForm,
    SearchOutcome,
    get_web_url,
    run_search,
)
from ingestion_pipeline.api.turnstile import Turnstile
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.errors import TransientError
from ingestion_pipeline.parse.grammars import GRAMMARS
from ingestion_pipeline.parse.languages import MARKDOWN, TEXT
from ingestion_pipeline.search.hits import ALL_KINDS

_LANGUAGES = sorted((*GRAMMARS, MARKDOWN, TEXT))
_STAGES = ("clone", "parse", "embed", "upsert")
_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # What was searched for is nobody's business at the other end of a link.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_page_router(
    services: Services, instance: dg.DagsterInstance, turnstile: Turnstile
) -> APIRouter:
    """Return the routes of the page, of its live parts and of its files.

    Args:
        services: Stay open as long as the application.
        instance: Dagster's.
        turnstile: That searches pass.
    """
    router = APIRouter(include_in_schema=False)
    templates = _make_templates()
    files = StaticFiles(directory=_STATIC)

    def render(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        text = templates.get_template(name).render(values)
        return HTMLResponse(text, status, headers=_HEADERS)

    @router.get("/")
    def show_page(
        q: str | None = None, repo: str = "", language: str = "", kind: str = ""
    ) -> HTMLResponse:
        """Show repositories, what runs, what ended, and the hits of a search."""
        form = SearchForm(q, repo, language, kind)
        try:
            overview = read_overview(services, instance)
        except TransientError:
            return render("trouble.html", 503)
        outcome = (
            None if q is None else run_search(services, form, overview.repositories, turnstile)
        )
        status = outcome.status if outcome else 200
        return render("page.html", status, **_collect_values(overview, form, outcome))

    @router.get("/fragments/activity")
    def show_activity() -> HTMLResponse:
        """Show the parts of the page that move."""
        return render("live.html", overview=read_overview(services, instance))

    @router.get("/static/{name}")
    async def read_file(name: str, request: Request) -> Response:
        """Return a style sheet, a script or a picture of the page's."""
        response = await files.get_response(name, request.scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response

    return router


def _collect_values(
    overview: Overview, form: SearchForm, outcome: SearchOutcome | None
) -> Mapping[str, Any]:
    return {
        "overview": overview,
        "form": form,
        "outcome": outcome,
        "longest_query": LONGEST_QUERY,
        "names": [row.repository.hosted.full_name for row in overview.repositories],
        "languages": _LANGUAGES,
        "kinds": ALL_KINDS,
    }


def _make_templates() -> Environment:
    """Return the templates; everything that is put into them is escaped."""
    templates = Environment(
        loader=PackageLoader("ingestion_pipeline.api"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals.update(stages=_STAGES, get_web_url=get_web_url)
    templates.filters.update(
        count=format_count, utc=format_utc, ago=describe_age, duration=format_duration
    )
    return templates


def format_count(number: int) -> str:
    """Return a number with its thousands apart, for example ``12,345``."""
    return f"{number:,}"


def format_duration(seconds: float) -> str:
    """Return a duration as people say it, for example ``2 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def describe_age(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, for example ``3 min ago``."""
    seconds = (now - moment).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "just now"
