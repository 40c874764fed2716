"""Files that are hostile, broken, oversized, oddly encoded or no code at all."""

import pickle
from functools import partial

import pytest

from ingestion_pipeline.core.code import FileFacts, SkippedFile, SourceFile
from ingestion_pipeline.core.terms import hash_term
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.parse.limits import DEFAULT_LIMITS, ParseLimits

CODE_PATHS = "a.py a.js a.ts a.tsx a.go a.rs a.java a.c a.cpp a.rb a.cs a.php a.sh".split()


def parse(path: str, content: bytes, limits: ParseLimits = DEFAULT_LIMITS):
    return parse_file(SourceFile(path=path, blob_sha="b" * 40, content=content), limits)


def parse_facts(path: str, content: bytes) -> FileFacts:
    result = parse(path, content)
    assert isinstance(result, FileFacts), result
    return result


@pytest.mark.parametrize("path", CODE_PATHS)
@pytest.mark.parametrize("bracket", ["()", "[]", "{}"])
def test_deep_nesting_does_not_overflow_the_stack(path: str, bracket: str):
    opening = b"<?php\n" if path == "a.php" else b""
    content = opening + b"x = " + bracket[0].encode() * 9_900 + bracket[1].encode() * 9_900

    assert isinstance(parse(path, content), FileFacts)


def test_deeply_nested_rust_imports_stay_small():
    facts = parse_facts("a.rs", b"use a::" + b"{b::\n" * 4_000 + b"c" + b"}" * 4_000 + b";")

    assert all(len(target) <= 500 for target in facts.imports)


def test_deeply_nested_functions_stop_at_the_limit_and_their_calls_go_to_the_last_listed_one():
    source = "".join(f"{'  ' * depth}def f{depth}():\n" for depth in range(90))
    facts = parse_facts("a.py", (source + "  " * 90 + "reach()\n").encode())

    assert [symbol.key for symbol in facts.symbols] == ["f0", "f0.f1", "f0.f1.f2", "f0.f1.f2.f3"]
    assert [(call.symbol, call.name) for call in facts.calls] == [(3, "reach")]


def test_deeply_nested_namespaces_do_not_square_the_keys():
    lines = "".join(f"namespace a {{\nvoid f{i % 7}() {{}}\n" for i in range(3_000))
    keys = [symbol.key for symbol in parse_facts("a.cpp", (lines + "}" * 3_000).encode()).symbols]

    assert keys[:2] == ["a.f0", "a.a.f1"]
    assert len(set(keys)) == len(keys) == 3_000
    assert max(map(len, keys)) < 1_010


def test_a_syntax_error_still_gives_what_can_be_found():
    facts = parse_facts("a.py", b"def good():\n    call()\n\nclass (:\n\ndef also():\n    pass\n")

    assert {"good", "also"} <= {symbol.key for symbol in facts.symbols}


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("a.py", b"", "empty"),
        ("a.py", b"\xef\xbb\xbf \r\n\t\n", "empty"),
        ("a.py", b"x = 1\0", "binary"),
        ("photo", bytes(range(128, 256)) + bytes(range(1, 32)) * 4, "binary"),
        ("a.txt", b"\xff\xfe\x00\xd8", "binary"),  # half a surrogate pair after UTF-16's mark
        ("a.js", b"var a=1;" * 5_000, "long lines"),
        ("data.json", b"[" + b"1," * 20_000 + b"1]", "long lines"),
        ("a.py", b"x" * 10_000_001, "too large"),
    ],
)
def test_what_cannot_be_indexed_is_skipped_with_its_reason(path: str, content: bytes, reason: str):
    assert parse(path, content) == SkippedFile(path=path, blob_sha="b" * 40, reason=reason)


def test_markdown_may_have_long_lines():
    facts = parse_facts("README.md", b"# Title\n\n![x](data:" + b"a" * 30_000 + b")\n\nWords.\n")

    assert facts.docstring == "Title\n\nWords."


def test_a_nul_late_in_a_text_is_text_as_in_git():
    facts = parse_facts("a.py", b"x = 1\n" * 2_000 + b"\0\ndef late(): pass\n")

    assert facts.line_count == 2_002


def test_parsing_over_the_time_limit_is_a_reason_not_an_exception():
    limits = ParseLimits(timeout_seconds=-1.0)

    result = parse("a.py", b"x = f(1)\n" * 20_000, limits)

    assert result == SkippedFile("a.py", "b" * 40, "parser failed: TimeoutError")


def test_a_failure_inside_the_parser_is_a_reason_with_the_exceptions_name(monkeypatch):
    def fail(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("ingestion_pipeline.parse.files.capture_syntax", fail)

    assert parse("a.py", b"x = 1\n") == SkippedFile(
        "a.py", "b" * 40, "parser failed: RecursionError"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_texts_with_a_byte_order_mark_are_decoded(encoding: str):
    facts = parse_facts("a.py", 'def größe():\n    """Maß."""\n'.encode(encoding))

    assert [(symbol.key, symbol.docstring) for symbol in facts.symbols] == [("größe", "Maß.")]


def test_latin_1_text_keeps_its_ascii_and_loses_the_rest():
    facts = parse_facts("a.py", 'def price():\n    """Für Käse."""\n'.encode("latin-1"))

    assert facts.symbols[0].docstring == "F\ufffdr K\ufffdse."


def test_tabs_and_form_feeds_do_not_move_lines():
    facts = parse_facts("a.py", b"x = 1\n\x0c\nclass A:\n\tdef b(self):\n\t\treturn 1\n\x0c\n")

    assert [(s.key, s.start_line, s.end_line) for s in facts.symbols] == [
        ("A", 3, 5),
        ("A.b", 4, 5),
    ]


def test_words_of_comments_and_of_code_are_kept_apart():
    source = b'''"""Unit prose."""
# remark
def fetch_page(url):
    """Download quickly."""
    return socket.open(url)  # trailing
'''
    facts = parse_facts("a.py", source)
    symbol = facts.symbols[0]

    for word in ("unit", "remark", "download", "quickly", "trail"):
        assert hash_term(word) in facts.doc_terms
        assert hash_term(word) not in facts.body_terms
    assert symbol.body_terms == {
        hash_term(word): count
        for word, count in {"fetch": 1, "page": 1, "url": 2, "socket": 1, "open": 1}.items()
    }
    assert symbol.doc_terms == {hash_term("download"): 1, hash_term("quickly"): 1}


def test_positions_after_text_that_is_not_ascii_are_right():
    facts = parse_facts("a.py", "s = 'äöü→漢字'\ndef later(): return alpha\nbeta = 1\n".encode())

    assert hash_term("alpha") in facts.symbols[0].body_terms
    assert hash_term("beta") not in facts.symbols[0].body_terms
    assert facts.symbols[0].start_line == 2


def test_encoded_data_gives_no_words():
    facts = parse_facts("a.py", b"KEY = '" + b"Ab" * 400 + b"'\n")

    assert facts.body_terms == {hash_term("key"): 1}


def test_the_parser_can_be_sent_to_another_process():
    function = pickle.loads(pickle.dumps(partial(parse_file, limits=DEFAULT_LIMITS)))

    assert isinstance(function(SourceFile("a.py", "", b"x = 1\n")), FileFacts)
