"""Files without a grammar: Markdown and other text."""

import re
from itertools import pairwise

from ingestion_pipeline.parse.comments import MAX_DOCSTRING_CHARS

_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t#]*$")
_UNDERLINE = re.compile(r"^(?:=+|-{2,})\s*$")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
_TAG = re.compile(r"<[^<>]{1,500}>")
_EMPHASIS = re.compile(r"[*`]+")
_RULE = re.compile(r"^[-=*_#~+.:^\"'`\s]+$")


def read_markdown(text: str) -> tuple[str, list[str]]:
    r"""Return what a Markdown file says it is about.

    Args:
        text: With ``\n`` line ends.

    Returns:
        The first heading and the first paragraph, a blank line between them, at most 2,000
        characters; and all headings.
    """
    lines = _drop_fences(_FRONT_MATTER.sub("", text).split("\n"))
    headings: list[str] = []
    paragraph: list[str] = []
    is_paragraph_closed = False
    for line, following in pairwise([*lines, ""]):
        heading = _read_heading(line, following)
        words = "" if _RULE.match(line) else _strip_inline(line)
        if heading:
            headings.append(heading)
        elif words and not is_paragraph_closed:
            paragraph.append(words)
        is_paragraph_closed = bool(paragraph) and (
            is_paragraph_closed or not words or bool(heading)
        )
    first = "\n".join(paragraph)
    summary = "\n\n".join(filter(None, (headings[0] if headings else "", first)))
    return summary[:MAX_DOCSTRING_CHARS].rstrip(), headings


def read_first_paragraph(text: str) -> str:
    """Return the first run of lines with words in them, at most 2,000 characters."""
    paragraph: list[str] = []
    for line in text.split("\n"):
        if line.strip() and not _RULE.match(line):
            paragraph.append(line.strip())
        elif paragraph:
            break
    return "\n".join(paragraph)[:MAX_DOCSTRING_CHARS].rstrip()


def _drop_fences(lines: list[str]) -> list[str]:
    kept: list[str] = []
    fence = ""
    for line in lines:
        match = _FENCE.match(line)
        if match and not fence:
            fence = match.group(1)
        elif fence and line.strip().startswith(fence):
            fence = ""
        elif not fence:
            kept.append(line)
    return kept


def _read_heading(line: str, following: str) -> str:
    match = _HEADING.match(line)
    if match:
        return _strip_inline(match.group(1))
    if _UNDERLINE.match(following) and line.strip() and not _RULE.match(line):
        return _strip_inline(line)
    return ""


def _strip_inline(line: str) -> str:
    """Return a line's words without images, link targets, HTML tags and emphasis."""
    previous = None
    while previous != line:
        previous, line = line, _LINK.sub(lambda m: "" if m[0][0] == "!" else m[1], line)
    return _EMPHASIS.sub("", _TAG.sub("", line)).strip()
