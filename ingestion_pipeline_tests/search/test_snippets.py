"""Lines of a hit."""

from collections.abc import Collection, Mapping

import pytest

from ingestion_pipeline.search.hits import SearchHit
from ingestion_pipeline.search.snippets import add_snippets, choose_line

SOURCE = """\
import os


def run(server):
    \"\"\"Run the loop.\"\"\"
    while server.alive:
        server.step()


def sign(cookie):
\tkey = load_key()
\treturn cookie + key
"""

SIGN = "def sign(cookie):\n    key = load_key()\n    return cookie + key"


def _hit(start: int, end: int, source: str = "github:1", blob_sha: str = "b") -> SearchHit:
    place = ("id", "o/n", "main", (), "a.py", "s", "function", "python", "", start, end, 1.0, "")
    return SearchHit(*place, source=source, blob_sha=blob_sha)


def _read(source: str, shas: Collection[str]) -> Mapping[str, bytes]:
    return {"b": SOURCE.encode()} if source == "github:1" and "b" in shas else {}


@pytest.mark.parametrize(
    ("words", "start", "end", "line", "snippet"),
    [
        ("", 4, 7, 4, 'def run(server):\n    """Run the loop."""\n    while server.alive:'),
        ("server step", 4, 7, 6, "    while server.alive:\n        server.step()"),
        (
            "cookie key",
            1,
            12,
            10,
            SIGN,
        ),
        ("unheard", 2, 7, 4, 'def run(server):\n    """Run the loop."""\n    while server.alive:'),
        ("", 12, 99, 12, "    return cookie + key"),
        ("", 0, 0, 1, "import os\n\n"),
    ],
)
def test_the_lines_that_hold_most_of_the_words(
    words: str, start: int, end: int, line: int, snippet: str
) -> None:
    [hit] = add_snippets([_hit(start, end)], words, _read)
    assert (hit.snippet_line, hit.snippet) == (line, snippet)


def test_what_nobody_holds_any_more_has_no_snippet() -> None:
    hits = [_hit(1, 3, source="github:2"), _hit(1, 3, blob_sha=""), _hit(50, 60)]
    assert add_snippets(hits, "import", _read) == hits


def test_each_source_is_read_once() -> None:
    asked: list[tuple[str, frozenset[str]]] = []

    def read(source: str, shas: Collection[str]) -> Mapping[str, bytes]:
        asked.append((source, frozenset(shas)))
        return {}

    hits = [_hit(1, 2), _hit(3, 4, blob_sha="c"), _hit(5, 6, source="local:2")]
    add_snippets(hits, "", read)
    assert asked == [("github:1", frozenset("bc")), ("local:2", frozenset("b"))]


def test_long_lines_and_odd_bytes_are_shown_in_part() -> None:
    content = b"\xff" + b"x" * 500
    [hit] = add_snippets([_hit(1, 1)], "", lambda _source, _shas: {"b": content})
    assert hit.snippet == "\N{REPLACEMENT CHARACTER}" + "x" * 159


def test_nothing_has_a_first_line() -> None:
    assert choose_line([], ["a"]) == 0
    assert choose_line(["", ""], []) == 0
