"""What a query captured in one file, as plain byte spans and text.

The names that query files give to captures:

- ``definition.class``, ``definition.function`` (a method where it stands directly in a type),
  ``definition.method`` (one wherever it stands); ``definition.impl`` (attaches what is inside to a
  type, is no symbol itself); ``definition.namespace`` (only qualifies names). Together with
  ``name`` (or ``name.qualified``, split at ``::``), and where they exist ``body`` (the signature
  ends where it starts), ``head`` (the signature ends where it ends) and ``receiver`` (the type
  that a function written outside of it belongs to; with ``receiver.marker`` only where that is
  JavaScript's ``prototype``).
- ``wrapped`` in ``wrapper``: a definition's span and signature grow to the wrapper's (``export``,
  ``template <…>``, decorators).
- ``attribute``: decorators, annotations; left out of signatures.
- ``call``, ``base`` (or ``base.function`` and ``base.argument``), ``import`` and ``import.…``
  (``imports``), ``comment``, ``docstring`` with ``docstring.body`` (the body of its owner) or
  ``docstring.file``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tree_sitter import Node

from ingestion_pipeline.parse.imports import format_import
from ingestion_pipeline.parse.names import MAX_NAME_CHARS, get_simple_name, split_qualified

Span = tuple[int, int]
Captures = Mapping[str, list[Node]]

_SPACE = re.compile(r"\s+")
# What error recovery takes for a function around code that the preprocessor splits.
_CONTROL_WORDS = frozenset("catch do else for if lock return switch using while".split())
_BRACE_GRAMMARS = frozenset(("c", "cpp", "csharp", "java"))
_MIXINS = frozenset((b"include", b"extend", b"prepend"))


@dataclass(slots=True)
class Definition:
    """One definition as captured; spans are half-open byte ranges.

    Args:
        role: ``class``, ``function``, ``method``, ``impl`` or ``namespace``.
        name: The simple name (of the type, for ``impl``), "" where it has none.
        receiver: The type it belongs to by its own declaration, dotted, "" for none.
        start: With decorators and wrappers.
        end: As ``start``.
        head_end: Where the signature ends.
        detail: How much the pattern captured; of two matches for one span the richer one counts.
    """

    role: str
    name: str
    receiver: str
    start: int
    end: int
    head_end: int
    detail: int


@dataclass(slots=True)
class Syntax:
    """Everything a query captured in one file, each list in no particular order.

    Args:
        source: UTF-8 text that all offsets count in.
        grammar: Key of ``GRAMMARS``.
        definitions: See ``Definition``.
        calls: Position and simple name.
        bases: Position and simple name.
        imports: Position and targets.
        comments: Spans.
        attributes: Spans.
        docstrings: Span of a docstring by the start of its owner's body; -1 for the file's.
    """

    source: bytes
    grammar: str
    definitions: list[Definition] = field(default_factory=list[Definition])
    calls: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    bases: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    imports: list[tuple[int, list[str]]] = field(default_factory=list[tuple[int, list[str]]])
    comments: list[Span] = field(default_factory=list[Span])
    attributes: list[Span] = field(default_factory=list[Span])
    docstrings: dict[int, Span] = field(default_factory=dict[int, Span])
    wrappers: dict[Span, Span] = field(default_factory=dict[Span, Span])

    def text(self, node: Node) -> str:
        """Return a node's source text."""
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _record_definition(role: str, found: Syntax, captures: Captures) -> None:
    start, end = captures[f"definition.{role}"][0].byte_range
    name, receiver = _read_name(found, captures, role)
    if name in _CONTROL_WORDS and found.grammar in _BRACE_GRAMMARS:
        return
    if "receiver.marker" in captures and found.text(captures["receiver.marker"][0]) != "prototype":
        return
    found.definitions.append(
        Definition(
            role=role,
            name=name,
            receiver=receiver,
            start=start,
            end=end,
            head_end=_find_head_end(found, captures, end),
            detail=len(captures),
        )
    )


def _find_head_end(found: Syntax, captures: Captures, end: int) -> int:
    if "body" in captures:
        return captures["body"][0].start_byte
    if "head" in captures:
        return captures["head"][0].end_byte
    if found.grammar == "ruby":
        names = captures["name"] if "name" in captures else captures["name.qualified"]
        return names[0].end_byte
    return end


def _read_name(found: Syntax, captures: Captures, role: str) -> tuple[str, str]:
    """Return a definition's simple name and the type it names before it, dotted."""
    receiver = found.text(captures["receiver"][0]) if "receiver" in captures else ""
    if "name.qualified" in captures:
        name, receiver = split_qualified(found.text(captures["name.qualified"][0]))
        if role == "namespace" and receiver:
            name, receiver = f"{receiver}.{name}", ""
    else:
        name = found.text(captures["name"][0])
    if role == "impl":
        name = get_simple_name(name)
    if not name.isidentifier():
        name = _SPACE.sub(" ", name)
    return name[:MAX_NAME_CHARS], receiver[:MAX_NAME_CHARS]


def _record_call(found: Syntax, captures: Captures) -> None:
    if "call.new" in captures and found.text(captures["call.new"][0]) != "new":
        return
    for node in captures["call"]:
        start, end = node.byte_range
        name = str(found.source[start:end], "utf-8", "replace")
        found.calls.append((start, name[:MAX_NAME_CHARS]))


def _record_base(found: Syntax, captures: Captures) -> None:
    if "base.function" in captures:
        function = captures["base.function"][0]
        if found.source[function.start_byte : function.end_byte] not in _MIXINS:
            return
    for node in captures.get("base", captures.get("base.argument", [])):
        name = get_simple_name(found.text(node))
        if name:
            found.bases.append((node.start_byte, name))


def _record_import(found: Syntax, captures: Captures) -> None:
    pieces = {name: found.text(nodes[0]) for name, nodes in captures.items()}
    position = max(nodes[0].start_byte for nodes in captures.values())
    targets = format_import(found.grammar, pieces)
    if targets:
        found.imports.append((position, targets))


def _record_comment(found: Syntax, captures: Captures) -> None:
    found.comments.extend([node.byte_range for node in captures["comment"]])


def _record_attribute(found: Syntax, captures: Captures) -> None:
    found.attributes.extend([node.byte_range for node in captures["attribute"]])


def _record_docstring(found: Syntax, captures: Captures) -> None:
    body = captures["docstring.body"][0].start_byte
    node = captures["docstring"][0]
    found.docstrings.setdefault(body, (node.start_byte, node.end_byte))


def _record_file_docstring(found: Syntax, captures: Captures) -> None:
    node = captures["docstring.file"][0]
    found.docstrings.setdefault(-1, (node.start_byte, node.end_byte))


def _record_wrapper(found: Syntax, captures: Captures) -> None:
    wrapper, wrapped = captures["wrapper"][0], captures["wrapped"][0]
    found.wrappers[(wrapped.start_byte, wrapped.end_byte)] = (wrapper.start_byte, wrapper.end_byte)


RECORDERS: dict[str, Callable[[Syntax, Captures], None]] = {
    "attribute": _record_attribute,
    "base": _record_base,
    "base.argument": _record_base,
    "call": _record_call,
    "comment": _record_comment,
    "definition.class": partial(_record_definition, "class"),
    "definition.function": partial(_record_definition, "function"),
    "definition.impl": partial(_record_definition, "impl"),
    "definition.method": partial(_record_definition, "method"),
    "definition.namespace": partial(_record_definition, "namespace"),
    "docstring": _record_docstring,
    "docstring.file": _record_file_docstring,
    "import": _record_import,
    "import.argument": _record_import,
    "import.file": _record_import,
    "import.include": _record_import,
    "import.member": _record_import,
    "import.mod": _record_import,
    "import.name": _record_import,
    "import.use": _record_import,
    "import.wildcard": _record_import,
    "wrapper": _record_wrapper,
}
