"""Definitions to symbols: signature, documentation, lines and words of each."""

from ingestion_pipeline.core.code import Symbol, SymbolKind
from ingestion_pipeline.parse.captures import Definition, Span, Syntax
from ingestion_pipeline.parse.comments import (
    MAX_DOCSTRING_CHARS,
    DocComments,
    clean_comment,
    clean_docstring,
)
from ingestion_pipeline.parse.symbol_table import Place, SymbolTable
from ingestion_pipeline.parse.term_counts import TermCounter, blank_spans, count_text

_MAX_SIGNATURE_CHARS = 500
_SIGNATURE_READ_BYTES = 20_000


class SymbolReader:
    """Builds the symbols of one file.

    Args:
        syntax: What the query captured.
        comments: The file's comments.
        code: The source with all comments and docstrings blanked.
    """

    def __init__(self, syntax: Syntax, comments: DocComments, code: bytes) -> None:
        self._syntax = syntax
        self._comments = comments
        self._definitions = self._order_definitions()
        cuts = (cut for found, _ in self._definitions for cut in (found.start, found.end))
        self._terms = TermCounter(code, cuts)
        self._head_source = blank_spans(syntax.source, (*syntax.comments, *syntax.attributes))

    def read_symbols(self, max_depth: int) -> SymbolTable:
        """Return the symbols of the file; ``max_depth`` is ``ParseLimits.max_depth``."""
        table = SymbolTable()
        line, position = 1, 0
        for definition, comment in self._definitions:
            docstring_span = self._syntax.docstrings.get(definition.head_end)
            place = table.place(definition, max_depth)
            if place is None:
                continue
            line += self._syntax.source.count(b"\n", position, definition.start)
            position = definition.start
            if docstring_span is not None:
                docstring = clean_docstring(self._comments.text(docstring_span))
            else:
                docstring = clean_comment(self._comments.text(comment)) if comment else ""
            if comment is not None:
                table.taken_comments.add(comment)
            table.symbols.append(self._make_symbol(definition, place, docstring, line))
        return table

    def count_all_terms(self) -> dict[int, int]:
        """Return term id → count over the code of the whole file."""
        return self._terms.count_all()

    def _order_definitions(self) -> list[tuple[Definition, Span | None]]:
        """Sort by start, outer first; one of each span; spans grow over attributes in front."""
        ordered: list[tuple[Definition, Span | None]] = []
        for definition in self._syntax.definitions:
            definition.start, comment = self._comments.find_leading(definition.start)
            ordered.append((definition, comment))
        ordered.sort(key=lambda pair: (pair[0].start, -pair[0].end, -pair[0].detail))
        return [
            pair
            for index, pair in enumerate(ordered)
            if index == 0
            or (pair[0].start, pair[0].end)
            != (ordered[index - 1][0].start, ordered[index - 1][0].end)
        ]

    def _make_symbol(
        self, definition: Definition, place: Place, docstring: str, line: int
    ) -> Symbol:
        kind = SymbolKind.METHOD if place.is_member else SymbolKind.FUNCTION
        return Symbol(
            kind=SymbolKind.CLASS if definition.role == "class" else kind,
            name=definition.name,
            key=place.key,
            signature=self._read_signature(definition),
            docstring=docstring[:MAX_DOCSTRING_CHARS].rstrip(),
            start_line=line,
            end_line=line
            + self._syntax.source.count(b"\n", definition.start, self._last_byte(definition)),
            parent=place.parent,
            body_terms=self._terms.count(definition.start, definition.end),
            doc_terms=count_text(docstring) if docstring else {},
        )

    def _read_signature(self, definition: Definition) -> str:
        end = min(definition.head_end, definition.start + _SIGNATURE_READ_BYTES)
        head = self._head_source[definition.start : end].decode("utf-8", "replace")
        signature = " ".join(head.split()).replace("( ", "(").replace(" )", ")")
        signature = signature.replace("[ ", "[").replace(" ]", "]").rstrip(" ;:{=")
        if definition.name not in signature:  # typedef struct { … } name;
            signature = f"{signature} {definition.name}"
        return signature[:_MAX_SIGNATURE_CHARS].rstrip()

    def _last_byte(self, definition: Definition) -> int:
        """Position of the last byte that is not white space; some nodes include a line end."""
        end = definition.end
        while end > definition.start + 1 and self._syntax.source[end - 1] in b" \t\r\n\f":
            end -= 1
        return end - 1
