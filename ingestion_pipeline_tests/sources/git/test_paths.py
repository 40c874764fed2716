"""File names as text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion_pipeline.sources.git import escape_path, unescape_path

# Raw bytes rarely spell an escape, so the pieces of one are among what names are built of.
_PIECES = st.sampled_from([b"\\", b"x", b"5c", b"e9", b"\xe9", b"/", b"\xed\xa0\x80", b"\xc3\xa9"])
_NAMES = st.one_of(st.binary(), st.lists(_PIECES).map(b"".join))


@given(_NAMES)
@example(b"\\xe9")
@example(b"\\x5cxe9")
@example(b"\\\xe9")
def test_a_path_survives_the_way_into_text_and_back(raw: bytes) -> None:
    text = escape_path(raw)

    assert unescape_path(text) == raw
    assert text.encode("utf-8").decode("utf-8") == text


@given(_NAMES, _NAMES)
@example(b"caf\xe9", b"caf\\xe9")
def test_two_paths_never_become_one(first: bytes, second: bytes) -> None:
    assert (escape_path(first) == escape_path(second)) == (first == second)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"src/app.py", "src/app.py"),
        ("Größe/日本.md".encode(), "Größe/日本.md"),
        (b"back\\slash", "back\\slash"),
        (b"line\nbreak\ttab", "line\nbreak\ttab"),
        (b"caf\xe9", "caf\\xe9"),
        (b"caf\\xe9", "caf\\x5cxe9"),
    ],
)
def test_names_that_people_use_stay_as_they_are(raw: bytes, text: str) -> None:
    assert escape_path(raw) == text
