"""Language by name, by first line, and by content for headers."""

import pytest

from ingestion_pipeline.parse.grammars import GRAMMARS, get_parser_version, load_query
from ingestion_pipeline.parse.languages import detect_grammar, get_path_hint


@pytest.mark.parametrize(
    ("path", "grammar"),
    [
        ("src/a.py", "python"),
        ("types.pyi", "python"),
        ("a.mjs", "javascript"),
        ("a.jsx", "javascript"),
        ("a.ts", "typescript"),
        ("a.TSX", "tsx"),
        ("cmd/main.go", "go"),
        ("lib.rs", "rust"),
        ("A.java", "java"),
        ("a.c", "c"),
        ("a.cc", "cpp"),
        ("a.hpp", "cpp"),
        ("a.rb", "ruby"),
        ("Gemfile", "ruby"),
        ("Rakefile", "ruby"),
        ("A.cs", "csharp"),
        ("index.php", "php"),
        ("run.sh", "bash"),
        (".bashrc", "bash"),
        ("README.md", "markdown"),
        ("Makefile", "text"),
        ("Dockerfile", "text"),
        ("package.json", "text"),
        ("LICENSE", "text"),
        ("py", "text"),
    ],
)
def test_language_by_name(path: str, grammar: str):
    assert detect_grammar(get_path_hint(path), b"anything") == grammar


@pytest.mark.parametrize(
    ("first_line", "grammar"),
    [
        (b"#!/bin/sh", "bash"),
        (b"#! /usr/bin/env bash", "bash"),
        (b"#!/usr/bin/python3.11 -u", "python"),
        (b"#!/usr/bin/env -S VAR=1 node --flag", "javascript"),
        (b"#!/usr/local/bin/ruby", "ruby"),
        (b"#!/usr/bin/env php", "php"),
        (b"#!/usr/bin/env deno", "typescript"),
        (b"#!/usr/bin/awk -f", "text"),
        (b"#!", "text"),
        (b"no shebang: python", "text"),
    ],
)
def test_language_of_a_script_without_extension(first_line: bytes, grammar: str):
    assert detect_grammar(get_path_hint("bin/tool"), first_line + b"\nbody\n") == grammar


def test_a_shebang_does_not_overrule_an_extension():
    assert detect_grammar(get_path_hint("a.txt"), b"#!/bin/sh\n") == "text"


@pytest.mark.parametrize(
    ("source", "grammar"),
    [
        (b"#ifndef A_H\n#define A_H\nstruct a { int b; };\nint f(struct a *a);\n#endif\n", "c"),
        (b'#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n', "c"),
        (b"/* the class of this thing; a template for others */\nint f(void);\n", "c"),
        (b"class Foo {\n};\n", "cpp"),
        (b"  namespace a {\n}\n", "cpp"),
        (b"template <typename T>\nT f();\n", "cpp"),
        (b"struct A {\n public:\n  int a;\n};\n", "cpp"),
    ],
)
def test_a_header_is_c_unless_it_looks_like_cpp(source: bytes, grammar: str):
    assert detect_grammar(get_path_hint("include/a.h"), source) == grammar


@pytest.mark.parametrize("grammar", sorted(GRAMMARS))
def test_every_query_fits_its_grammar(grammar: str):
    assert load_query(grammar).pattern_count > 0


def test_the_parser_version_changes_with_revision_wheels_and_queries(monkeypatch):
    def read_version(**changes: object) -> str:
        with monkeypatch.context() as patch:
            for name, value in changes.items():
                patch.setattr(f"ingestion_pipeline.parse.grammars.{name}", value)
            return get_parser_version.__wrapped__()

    version = read_version()

    assert version == get_parser_version()
    assert len(version) == 12
    assert read_version(PARSER_REVISION="next") != version
    assert read_version(_read_query=lambda name: "(comment) @comment") != version
