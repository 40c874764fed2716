"""What Markdown and comments say."""

import pytest

from ingestion_pipeline.core.code import FileFacts, SourceFile
from ingestion_pipeline.core.terms import hash_term
from ingestion_pipeline.parse.comments import clean_comment, clean_docstring
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.parse.prose import read_first_paragraph, read_markdown


@pytest.mark.parametrize(
    ("text", "summary", "headings"),
    [
        ("", "", []),
        ("Just words\nin two lines.\n\nMore.", "Just words\nin two lines.", []),
        ("# A\n## B\n\ntext\n# C", "A\n\ntext", ["A", "B", "C"]),
        ("A\n=\n\nB\n---\ntext", "A\n\ntext", ["A", "B"]),
        ("```\n# no\n```\n~~~\nnever closed", "", []),
        ("<p align='center'>\n<img src='x'>\n</p>\n\nHello `x`.", "Hello x.", []),
    ],
)
def test_markdown_summary_and_headings(text: str, summary: str, headings: list[str]):
    assert read_markdown(text) == (summary, headings)


def test_headings_are_documentation_and_all_words_are_body():
    facts = parse_file(
        SourceFile("a.md", "", b"# Install\n\nRun it.\n\n## Upgrade\n\nlater words\n")
    )

    assert isinstance(facts, FileFacts)
    assert set(facts.doc_terms) == {hash_term(word) for word in ("install", "run", "upgrad")}
    assert {hash_term("later"), hash_term("install")} <= set(facts.body_terms)


def test_first_paragraph_skips_rules():
    assert read_first_paragraph("\n====\n  Title\n====\n\nBody") == "Title"


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        ("// one\n// two", "one\ntwo"),
        ("/// one\n///\n///   - item", "one\n\n  - item"),
        ("//! inner", "inner"),
        ("# one\n#   two", "one\n  two"),
        ("/** one */", "one"),
        ("/**\n * One.\n *\n *   code\n */", "One.\n\n  code"),
        ("/*\n   One,\n   two.\n*/", "One,\ntwo."),
        ("/////////////\n// one\n/////////////", "one"),
        ("=begin\none\n=end", "one"),
        ('/// <summary>A <see cref="B"/> &amp; c</summary>', "A B &amp; c"),
        ("//go:build linux\n// one", "one"),
        ("# -*- coding: utf-8 -*-", ""),
        ("// https://example.org/a//b", "https://example.org/a//b"),
    ],
)
def test_comment_marks_are_stripped(comment: str, text: str):
    assert clean_comment(comment) == text


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ('"""One.\n\n    Two.\n      Three.\n    """', "One.\n\nTwo.\n  Three."),
        ("r'raw\\d'", "raw\\d"),
        ('b"bytes"', ""),
        ('f"{a}"', ""),
    ],
)
def test_docstrings_are_dedented(literal: str, text: str):
    assert clean_docstring(literal) == text


@pytest.mark.parametrize(
    ("path", "source", "docstrings"),
    [
        ("a.go", "// far away\n\nfunc A() {}\n", [""]),
        ("a.js", "/** one blank line */\n\nfunction a() {}\n", ["one blank line"]),
        ("a.c", "int x; // about x\nvoid f(void) {}\n", [""]),
        ("a.rs", "/// doc\n#[a]\n#[b(c)]\nfn f() {}\n", ["doc"]),
        ("a.ts", "// doc\n@A()\nexport class B {}\n", ["doc"]),
        ("a.py", "# lead\n@a\ndef f():\n  'own'\n", ["own"]),
        ("a.java", "class A { int x;\n  /** doc */\n  @B void f() {} }\n", ["", "doc"]),
    ],
)
def test_which_comment_documents_a_symbol(path: str, source: str, docstrings: list[str]):
    facts = parse_file(SourceFile(path, "", source.encode()))

    assert isinstance(facts, FileFacts)
    assert [symbol.docstring for symbol in facts.symbols] == docstrings


@pytest.mark.parametrize(
    ("path", "source", "docstring"),
    [
        ("a.py", "# Copyright X\n\n# What it is.\n\nx = 1\n", "What it is."),
        ("a.py", "#!/usr/bin/env python\n# A tool.\nimport a\n", "A tool."),
        ("a.js", "// about a\nfunction a() {}\n", ""),
        ("a.js", "x = 1\n// later\n", ""),
        ("a.php", "<?php declare(strict_types=1);\n\n// A page.\n\nuse A;\n", "A page."),
        ("a.yml", "# settings\na: 1\n", ""),
        ("NOTES.txt", "First.\n\nSecond.\n", "First."),
    ],
)
def test_what_documents_a_file(path: str, source: str, docstring: str):
    facts = parse_file(SourceFile(path, "", source.encode()))

    assert isinstance(facts, FileFacts)
    assert facts.docstring == docstring
