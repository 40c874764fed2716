"""One file through tree-sitter and its language's query.

Nodes are read once and never walked: Python does not recurse over trees, and py-tree-sitter 0.26
has crashed on walking parents (py-tree-sitter issue 472). Only the parse has a time limit: a
progress callback for queries ends in a segmentation fault in 0.26.1, and queries are linear.
"""

import time
from collections.abc import Mapping

from tree_sitter import Parser, QueryCursor, Tree

from ingestion_pipeline.parse.captures import RECORDERS, Definition, Span, Syntax
from ingestion_pipeline.parse.grammars import load_language, load_query

_CHUNK_BYTES = 1 << 16


def capture_syntax(source: bytes, grammar: str, timeout_seconds: float) -> Syntax:
    """Parse a file and run its language's query over the tree.

    A syntax error is no error here: tree-sitter recovers, and what it recognises is captured.

    Raises:
        TimeoutError: Parsing took longer than ``timeout_seconds``.
    """
    tree = _parse(source, grammar, timeout_seconds)
    found = Syntax(source=source, grammar=grammar)
    for _, captures in QueryCursor(load_query(grammar)).matches(tree.root_node):
        for name in captures:
            record = RECORDERS.get(name)
            if record is not None:
                record(found, captures)
                break
    for definition in found.definitions:
        _widen(definition, found.wrappers)
    return found


def _parse(source: bytes, grammar: str, timeout_seconds: float) -> Tree:
    deadline = time.monotonic() + timeout_seconds
    timed_out = False

    def check_deadline(_offset: int, _has_error: bool) -> bool:
        nonlocal timed_out
        timed_out = time.monotonic() > deadline
        return timed_out

    def read(offset: int, _point: object) -> bytes:
        return source[offset : offset + _CHUNK_BYTES]

    try:
        return Parser(load_language(grammar)).parse(read, progress_callback=check_deadline)
    except ValueError as error:
        if timed_out:
            raise TimeoutError(f"parsing took longer than {timeout_seconds} s") from error
        raise


def _widen(definition: Definition, wrappers: Mapping[Span, Span]) -> None:
    span = (definition.start, definition.end)
    if span not in wrappers:
        definition.head_end = min(definition.head_end, definition.end)
        return
    had_body = definition.head_end < definition.end
    while (wider := wrappers.get(span)) is not None and wider != span:
        span = wider
    definition.start, definition.end = span
    if not had_body:
        definition.head_end = definition.end
