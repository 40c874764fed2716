"""Which comment documents what, and what it says without its marks."""

import inspect
import re
import textwrap
from bisect import bisect_right
from collections.abc import Sequence

from ingestion_pipeline.parse.captures import Span

MAX_DOCSTRING_CHARS = 2_000

_STRING = re.compile(r"""^[rRuU]*(\"{3}|'{3}|"|')(.*)\1$""", re.DOTALL)
_OPENING = re.compile(r"^(?:/\*[*!]*<?|=begin\b|<!--)")
_CLOSING = re.compile(r"(?:\**/|^=end\b|-->)$")
_LINE_MARK = re.compile(r"^(?://[/!]*<?|#+!?|\*+(?!/))(?: |$|(?=\S))")
_DECORATION = re.compile(r"^[-=*#/_~+\s]{3,}$")
_DIRECTIVE = re.compile(
    r"^(?:-\*-.*-\*-|(?:en)?coding[:=]|eslint|frozen_string_literal:|go:\w|\+build |rubocop:|"
    r"shellcheck |pylint:|noqa|type:\s*ignore|@ts-|vim?:|nolint|clang-format|istanbul |"
    r"prettier-ignore|phpcs:|@flow|jshint |jslint |globals? |usr/|!/)",
    re.IGNORECASE,
)
_XML_REFERENCE = re.compile(r"""<\w+ (?:cref|name|langword|href)="([^"<>]{0,200})" ?/>""")
_XML_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_LICENSE = re.compile(r"copyright|licen[cs]e|spdx|all rights reserved", re.IGNORECASE)
_LICENSE_WINDOW_CHARS = 400
# Bounds the work for files with many comments, so that it stays linear.
_MAX_GAP_BYTES = 4_000
_PREAMBLE = re.compile(
    rb"(?:#![^\n]*\n)?\s*(?:<\?(?:php|hh)?\b\s*(?:declare\s*\([^()]*\)\s*;)?)?\s*"
)


class DocComments:
    """The comments of one file that stand on lines of their own, joined where they touch.

    Args:
        source: UTF-8 text.
        comments: Spans of all comments.
        attributes: Spans of decorators and annotations; one between a comment and the definition
            belongs to the definition.
    """

    def __init__(self, source: bytes, comments: Sequence[Span], attributes: Sequence[Span]) -> None:
        self._source = source
        self._runs = _join_comments(source, comments)
        self._ends = [run[1] for run in self._runs]
        self._attributes = {end: start for start, end in attributes}
        self._attribute_ends = sorted(self._attributes)

    def find_leading(self, start: int) -> tuple[int, Span | None]:
        """Look for what belongs to a definition in front of it.

        Args:
            start: Where the definition starts.

        Returns:
            Where it starts with the attributes in front of it, and the span of the comment that
            ends on the line above (one blank line is allowed after ``/** */``), None for none.
        """
        while True:
            index = bisect_right(self._attribute_ends, start) - 1
            end = self._attribute_ends[index] if index >= 0 else -1
            if end < 0 or not self._touches(end, start, newlines=1):
                break
            start = self._attributes[end]
        index = bisect_right(self._ends, start) - 1
        if index < 0:
            return start, None
        run = self._runs[index]
        newlines = 2 if self._source.startswith(b"/**", run[0]) else 1
        return start, run if self._touches(run[1], start, newlines) else None

    def find_file_comment(self, taken: frozenset[Span]) -> str:
        """Return the cleaned comment that opens the file, "" for none.

        Licence headers, tool directives and comments that document a symbol do not count.

        Args:
            taken: Runs that belong to symbols.
        """
        match = _PREAMBLE.match(self._source)
        position = match.end() if match else 0
        for run in self._runs:
            if self._source[position : run[0]].strip():
                break
            position = run[1]
            text = clean_comment(self.text(run))
            if run not in taken and text and not _LICENSE.search(text[:_LICENSE_WINDOW_CHARS]):
                return text
        return ""

    def text(self, span: Span) -> str:
        """Return the source text of a span."""
        return self._source[span[0] : span[1]].decode("utf-8", "replace")

    def _touches(self, end: int, start: int, newlines: int) -> bool:
        if start - end > _MAX_GAP_BYTES:
            return False
        gap = self._source[end:start]
        return (not gap or gap.isspace()) and gap.count(b"\n") <= newlines


def clean_comment(text: str) -> str:
    """Strip comment marks, decoration, tool directives and XML tags; keep the lines.

    Raises nothing: text without any mark comes back dedented.
    """
    lines = _CLOSING.sub("", _OPENING.sub("", text.strip())).split("\n")
    is_xml = text.lstrip().startswith("///") and "<" in text
    kept: list[str] = []
    for line in lines:
        bare = _LINE_MARK.sub("", line.strip())
        bare = _CLOSING.sub("", bare).rstrip()
        if not _DECORATION.match(bare) and not _DIRECTIVE.match(bare.lstrip()):
            kept.append(_XML_TAG.sub("", _XML_REFERENCE.sub(r"\1", bare)) if is_xml else bare)
    return textwrap.dedent("\n".join(kept)).strip()


def clean_docstring(text: str) -> str:
    """Return a Python string literal's text, dedented; "" for bytes and f-strings."""
    match = _STRING.match(text.strip())
    if match is None:
        return ""
    text = match.group(2)
    return (inspect.cleandoc(text) if "\n" in text else text.expandtabs()).strip()


def _join_comments(source: bytes, comments: Sequence[Span]) -> list[Span]:
    """Join comments on adjacent lines; drop those that share their line with code."""
    runs: list[Span] = []
    for start, raw_end in sorted(comments):
        end = start + len(source[start:raw_end].rstrip())
        before = source[source.rfind(b"\n", 0, start) + 1 : start]
        if runs and _continues(source, runs[-1], start):
            runs[-1] = (runs[-1][0], end)
        elif (not before or before.isspace()) and not source.startswith(b"#!/", start):
            runs.append((start, end))
    return runs


def _continues(source: bytes, run: Span, start: int) -> bool:
    if start - run[1] > _MAX_GAP_BYTES:
        return False
    gap = source[run[1] : start]
    if (gap and not gap.isspace()) or gap.count(b"\n") > 1:
        return False
    return source.startswith(b"//!", run[0]) == source.startswith(b"//!", start)
