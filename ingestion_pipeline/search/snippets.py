"""The lines of a hit that say most of what was looked for."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ingestion_pipeline.core.terms import split_text
from ingestion_pipeline.search.hits import SearchHit

ReadBlobs = Callable[[str, Collection[str]], Mapping[str, bytes]]
"""Source and blob ids → contents; ones that are not at hand any more are absent."""

SNIPPET_LINES = 3
# A longer line is data more often than code.
_MOST_CHARACTERS = 160


def add_snippets(hits: Sequence[SearchHit], words: str, read_blobs: ReadBlobs) -> list[SearchHit]:
    """Return the hits with snippets.

    Args:
        hits: From a search.
        words: What was looked for; "" takes the beginning of each hit.
        read_blobs: Called once a source.
    """
    wanted: dict[str, set[str]] = {}
    for hit in hits:
        if hit.blob_sha:
            wanted.setdefault(hit.source, set()).add(hit.blob_sha)
    blobs = {source: read_blobs(source, shas) for source, shas in wanted.items()}
    terms = frozenset(split_text(words))
    return [_add(hit, blobs.get(hit.source, {}).get(hit.blob_sha), terms) for hit in hits]


def _add(hit: SearchHit, content: bytes | None, terms: Collection[str]) -> SearchHit:
    if content is None:
        return hit
    lines = content.decode("utf-8", "replace").splitlines()
    first, last = max(hit.start_line, 1), min(hit.end_line or len(lines), len(lines))
    if first > last:
        return hit
    start = choose_line(lines[first - 1 : last], terms) + first
    shown = lines[start - 1 : min(start - 1 + SNIPPET_LINES, last)]
    text = "\n".join(line.expandtabs(4)[:_MOST_CHARACTERS].rstrip() for line in shown)
    return replace(hit, snippet=text, snippet_line=start)


def choose_line(lines: Sequence[str], terms: Collection[str]) -> int:
    """Return where the ``SNIPPET_LINES`` lines begin that hold most of the terms, 0-based.

    Of equal ones the first; without any term the first lines that are not blank.
    """
    found = [frozenset(split_text(line)).intersection(terms) if terms else () for line in lines]
    filled = next((number for number, line in enumerate(lines) if line.strip()), 0)
    best, most = filled, 0
    for number in range(len(lines)):
        count = len(set().union(*found[number : number + SNIPPET_LINES]))
        # A window that begins with a term shows it in its context, not at its very end.
        if count > most and found[number]:
            best, most = number, count
    return best
