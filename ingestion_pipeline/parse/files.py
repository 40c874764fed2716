"""The room's door: source files in, facts or a reason out."""

import logging
from collections.abc import Iterable, Iterator

from ingestion_pipeline.core.code import FileFacts, SkippedFile, SourceFile
from ingestion_pipeline.parse.comments import (
    MAX_DOCSTRING_CHARS,
    DocComments,
    clean_docstring,
)
from ingestion_pipeline.parse.generated import is_generated
from ingestion_pipeline.parse.languages import (
    MARKDOWN,
    TEXT,
    detect_grammar,
    get_language,
    get_path_hint,
    is_prose,
)
from ingestion_pipeline.parse.limits import DEFAULT_LIMITS, ParseLimits
from ingestion_pipeline.parse.prose import read_first_paragraph, read_markdown
from ingestion_pipeline.parse.symbols import SymbolReader
from ingestion_pipeline.parse.syntax import capture_syntax
from ingestion_pipeline.parse.term_counts import TermCounter, blank_spans, count_bytes, count_text
from ingestion_pipeline.parse.text import decode_source

_logger = logging.getLogger(__name__)


def parse_files(
    files: Iterable[SourceFile], limits: ParseLimits = DEFAULT_LIMITS
) -> Iterator[FileFacts | SkippedFile]:
    """Parse files one by one, in order; one result for each. See ``parse_file``."""
    for file in files:
        yield parse_file(file, limits)


def parse_file(file: SourceFile, limits: ParseLimits = DEFAULT_LIMITS) -> FileFacts | SkippedFile:
    """Find out everything that one file says by itself.

    Never raises for the sake of content: what the parser cannot take is skipped with a reason.

    Args:
        file: Any bytes under any path.
        limits: What the file may cost.

    Returns:
        Facts, or ``SkippedFile`` with the reason ``too large``, ``binary``, ``empty``,
        ``long lines``, ``generated`` or ``parser failed: <exception type>``.
    """
    try:
        return _parse(file, limits)
    except TimeoutError:
        _logger.warning("Skipped %s: parsing took over %s s", file.path, limits.timeout_seconds)
        return _skip(file, "parser failed: TimeoutError")
    except Exception as error:  # the one broad catch: no content may stop a repository's sync
        _logger.warning("Skipped %s: the parser failed", file.path, exc_info=True)
        return _skip(file, f"parser failed: {type(error).__name__}")


def _parse(file: SourceFile, limits: ParseLimits) -> FileFacts | SkippedFile:
    if len(file.content) > limits.max_file_bytes:
        return _skip(file, "too large")
    source = decode_source(file.content)
    if source is None:
        return _skip(file, "binary")
    if not source.strip():
        return _skip(file, "empty")
    hint = get_path_hint(file.path)  # nothing below looks at the path itself
    grammar = detect_grammar(hint, source)
    if grammar != MARKDOWN and _has_longer_line(source, limits.max_line_bytes):
        return _skip(file, "long lines")
    if grammar != MARKDOWN and is_generated(source):
        return _skip(file, "generated")
    if grammar in (MARKDOWN, TEXT):
        return _read_prose(file, source, grammar, is_prose(hint))
    return _read_code(file, source, grammar, limits)


def _read_prose(file: SourceFile, source: bytes, grammar: str, has_summary: bool) -> FileFacts:
    text = source.decode("utf-8")
    if grammar == MARKDOWN:
        docstring, headings = read_markdown(text)
        doc_terms = count_text("\n".join((docstring, *headings[1:])))
    else:
        docstring = read_first_paragraph(text) if has_summary else ""
        doc_terms = count_text(docstring)
    return FileFacts(
        path=file.path,
        blob_sha=file.blob_sha,
        language=grammar,
        size_bytes=len(file.content),
        line_count=_count_lines(source),
        body_terms=TermCounter(source).count_all(),
        doc_terms=doc_terms,
        docstring=docstring,
    )


def _read_code(file: SourceFile, source: bytes, grammar: str, limits: ParseLimits) -> FileFacts:
    syntax = capture_syntax(source, grammar, limits.timeout_seconds)
    comments = DocComments(source, syntax.comments, syntax.attributes)
    doc_spans = sorted({*syntax.comments, *syntax.docstrings.values()})
    reader = SymbolReader(syntax, comments, blank_spans(source, doc_spans))
    table = reader.read_symbols(limits.max_depth)
    if -1 in syntax.docstrings:
        docstring = clean_docstring(comments.text(syntax.docstrings[-1]))
    else:
        docstring = comments.find_file_comment(frozenset(table.taken_comments))
    imports = (target for _, targets in sorted(syntax.imports) for target in targets)
    return FileFacts(
        path=file.path,
        blob_sha=file.blob_sha,
        language=get_language(grammar),
        size_bytes=len(file.content),
        line_count=_count_lines(source),
        symbols=tuple(table.symbols),
        imports=tuple(dict.fromkeys(imports)),
        calls=table.refer(syntax.calls),
        bases=table.refer(syntax.bases),
        body_terms=reader.count_all_terms(),
        doc_terms=count_bytes(b"\n".join([source[start:end] for start, end in doc_spans])),
        docstring=docstring[:MAX_DOCSTRING_CHARS].rstrip(),
    )


def _skip(file: SourceFile, reason: str) -> SkippedFile:
    return SkippedFile(path=file.path, blob_sha=file.blob_sha, reason=reason)


def _has_longer_line(source: bytes, max_line_bytes: int) -> bool:
    position = 0
    while len(source) - position > max_line_bytes:
        position = source.rfind(b"\n", position, position + max_line_bytes + 1) + 1
        if position == 0:
            return True
    return False


def _count_lines(source: bytes) -> int:
    return source.count(b"\n") + (not source.endswith(b"\n"))
