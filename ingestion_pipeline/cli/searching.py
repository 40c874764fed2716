"""``ingestion-pipeline search``."""

from collections.abc import Sequence

import click

from ingestion_pipeline.cli.opening import console, open_command
from ingestion_pipeline.cli.rollouts import describe_rollout
from ingestion_pipeline.queries import find_by_words, find_like
from ingestion_pipeline.search.hits import ALL_KINDS, SearchFilters, SearchHit


@click.command()
@click.argument("words", nargs=-1)
@click.option("--like", metavar="PATH::SYMBOL", help="Find what is like this file or symbol.")
@click.option("--repo", default="", metavar="OWNER/NAME", help="Only in this repository.")
@click.option("--branch", default="", help="Only on this branch.")
@click.option("--language", default="", help="Only in this language, for example python.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(ALL_KINDS), help="Only this kind."
)
@click.option("--limit", default=10, show_default=True, help="Most hits to print.")
def search(
    words: tuple[str, ...],
    like: str | None,
    repo: str,
    branch: str,
    language: str,
    kinds: tuple[str, ...],
    limit: int,
) -> None:
    """Search by WORDS, or by likeness to something that is indexed."""
    if bool(words) == bool(like):
        raise click.UsageError("Give either words or --like PATH::SYMBOL.")
    filters = SearchFilters(repo, branch, language, kinds)
    with open_command() as services:
        if like:
            hits = find_like(services, like, filters, limit)
        else:
            hits = find_by_words(services, " ".join(words), filters, limit)
        note = describe_rollout(services)
    print_hits(hits)
    if note:
        console.print(note, markup=False, style="dim")


def print_hits(hits: Sequence[SearchHit]) -> None:
    """Print hits, best first: where, why, and some lines of each."""
    if not hits:
        console.print("Nothing found. `ingestion-pipeline repositories` shows what is indexed.")
    for number, hit in enumerate(hits, start=1):
        lines = f":{hit.start_line}" if hit.start_line else ""
        where = show_text(f"{hit.repo}@{hit.branch}")
        title = show_text(f"{number:>2}. {hit.path}{lines}  {hit.symbol or hit.kind}")
        # Text from repositories may hold what looks like markup.
        console.print(title, markup=False, style="bold")
        detail = f"    {where}  {hit.language} {hit.kind}  {hit.score:.4f} ({hit.why})"
        console.print(detail, markup=False, style="dim")
        for line_number, line in enumerate(hit.snippet.split("\n"), start=hit.snippet_line):
            if hit.snippet:
                text = show_text(f"    {line_number:>5} │ {line}")
                console.print(
                    text, markup=False, highlight=False, no_wrap=True, overflow="ellipsis"
                )


def show_text(text: str) -> str:
    r"""Return text of a repository with what would steer the terminal written out as ``\x1b``."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
