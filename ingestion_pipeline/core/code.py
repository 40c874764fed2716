"""Facts about source files: what the parser finds, before anything is resolved across files."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class SymbolKind(StrEnum):
    """What a symbol is; the values stand in the payload's ``kind``."""

    CLASS = "class"
    FUNCTION = "function"
    METHOD = "method"


@dataclass(slots=True)  # not frozen, which triples the cost of making one
class Symbol:
    """One class, function or method of a file.

    Args:
        kind: ``CLASS`` also covers structs, enums, interfaces, traits and type aliases with a body.
        name: The simple name.
        key: Unique within the file and stable when other symbols move: the qualified name
            (``Outer.inner``), with ``#2``, ``#3`` … for further ones of the same name, in order.
        signature: The declaration without its body, whitespace collapsed, at most 500 characters.
        docstring: Cleaned docstring or leading comment, at most 2,000 characters; "" for none.
        start_line: 1-based, inclusive.
        end_line: 1-based, inclusive.
        parent: Index of the enclosing symbol in ``FileFacts.symbols``, -1 for the file itself.
        body_terms: Term id → count over the symbol's own span, comments left out.
        doc_terms: Term id → count over its docstring or leading comment.
    """

    kind: SymbolKind
    name: str
    key: str
    signature: str
    docstring: str
    start_line: int
    end_line: int
    parent: int = -1
    body_terms: dict[int, int] = field(default_factory=dict[int, int])
    doc_terms: dict[int, int] = field(default_factory=dict[int, int])


class Reference(NamedTuple):
    """A name that one symbol uses and that some file may define.

    Args:
        symbol: Index of the symbol it stands in, -1 for the file's top level.
        name: The simple name called or inherited from.
    """

    symbol: int
    name: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Everything the parser knows of one file; a function of its bytes and path alone.

    Args:
        path: Repository path with ``/``; bytes that are not UTF-8 are backslash-escaped.
        blob_sha: Git object id of the content.
        language: ``python``, ``typescript`` …; ``markdown``; ``text`` for unknown text.
        size_bytes: Of the blob.
        line_count: Number of lines.
        symbols: In order of their start.
        imports: Import targets as written, one entry each, quotes stripped.
        calls: Names called.
        bases: Names inherited from or implemented.
        body_terms: Term id → count over the file, comments left out (all words where no grammar).
        doc_terms: Term id → count over comments and the file's docstring.
        docstring: The file's own docstring or leading comment or first paragraph, cleaned.
    """

    path: str
    blob_sha: str
    language: str
    size_bytes: int
    line_count: int
    symbols: tuple[Symbol, ...] = ()
    imports: tuple[str, ...] = ()
    calls: tuple[Reference, ...] = ()
    bases: tuple[Reference, ...] = ()
    body_terms: dict[int, int] = field(default_factory=dict[int, int])
    doc_terms: dict[int, int] = field(default_factory=dict[int, int])
    docstring: str = ""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is listed but not indexed.

    Args:
        path: Repository path.
        blob_sha: Git object id, "" for a submodule.
        reason: ``binary``, ``too large``, ``symlink``, ``submodule``, ``empty``, ``generated``,
            ``minified``, ``long lines``, ``unsafe path``, ``ignored: …`` or ``parser failed: …``.
    """

    path: str
    blob_sha: str
    reason: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of the tree listed at a commit.

    Args:
        path: Repository path with ``/``, as in ``FileFacts``.
        mode: Git mode as text: ``100644``, ``100755``, ``120000`` (symlink) or ``160000``
            (submodule).
        blob_sha: Git object id (a commit id for submodules).
        size_bytes: Size of the blob; -1 when it is not known.
    """

    path: str
    mode: str
    blob_sha: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file's bytes.

    Args:
        path: As in ``TreeEntry``.
        blob_sha: Git object id.
        content: The blob.
    """

    path: str
    blob_sha: str
    content: bytes
