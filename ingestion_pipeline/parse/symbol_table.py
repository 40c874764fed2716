"""Who stands in whom, and under which key."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ingestion_pipeline.core.code import Reference, Symbol
from ingestion_pipeline.parse.captures import Definition, Span


@dataclass(slots=True)  # not frozen, which triples the cost of making one
class _Frame:
    """An open definition while the file is read from top to bottom.

    Args:
        end: Where the definition ends.
        symbol: Index of the symbol that what is inside belongs to, -1 for none.
        path: Qualified name, without ``#``.
        is_type: Whether functions directly inside are methods.
        depth: Number of symbols around what is inside.
        outer: Index of the enclosing frame, -1 for none.
    """

    end: int
    symbol: int
    path: str
    is_type: bool
    depth: int
    outer: int


# Namespaces nest without limit: their names in every key of a file would be its size squared.
MAX_PATH_CHARS = 1000

_SYMBOL_ROLES = ("class", "function", "method")
_FILE = _Frame(end=0, symbol=-1, path="", is_type=False, depth=0, outer=-1)


class Place(NamedTuple):
    """Where a symbol stands: its parent's index, its key, and whether a type owns it."""

    parent: int
    key: str
    is_member: bool


@dataclass(slots=True)
class SymbolTable:
    """The symbols of one file and which of them encloses a position.

    Args:
        symbols: In order of their start; parents come before what is inside.
        taken_comments: Comments that document a symbol.
    """

    symbols: list[Symbol] = field(default_factory=list[Symbol])
    taken_comments: set[Span] = field(default_factory=set[Span])
    _frames: list[_Frame] = field(default_factory=list[_Frame])
    _starts: list[int] = field(default_factory=list[int])
    _types: dict[str, int] = field(default_factory=dict[str, int])
    _keys: dict[str, int] = field(default_factory=dict[str, int])

    def find_frame(self, position: int) -> int:
        """Return the index of the innermost frame around a byte position, -1 for none."""
        index = bisect_right(self._starts, position) - 1
        while index >= 0 and self._frames[index].end <= position:
            index = self._frames[index].outer
        return index

    def refer(self, names: Sequence[tuple[int, str]]) -> tuple[Reference, ...]:
        """Turn positions and names into references, one for each symbol and name, in order."""
        frames = self._frames
        references: dict[tuple[int, str], None] = {}
        index, next_frame = -1, 0  # both only go on: the names are sorted
        for position, name in sorted(names):
            while next_frame < len(frames) and self._starts[next_frame] <= position:
                index = next_frame
                next_frame += 1
            while index >= 0 and frames[index].end <= position:
                index = frames[index].outer
            references[frames[index].symbol if index >= 0 else -1, name] = None
        return tuple(Reference(symbol, name) for symbol, name in references)

    def place(self, definition: Definition, max_depth: int) -> Place | None:
        """Open a frame for a definition; definitions come in order of their start.

        Returns:
            The place of a definition that becomes a symbol, which the caller appends to
            ``symbols``; None for one that only holds others or is nested too deeply.
        """
        outer_index = self.find_frame(definition.start)
        outer = self._frames[outer_index] if outer_index >= 0 else _FILE
        if outer.depth >= max_depth:
            return None
        receiver, role = definition.receiver, definition.role
        path = _join_path(outer.path, receiver, definition.name)[-MAX_PATH_CHARS:]
        is_symbol = role in _SYMBOL_ROLES
        parent = self._find_parent(definition, outer) if receiver else outer.symbol
        place = Place(
            parent=parent,
            key=self._make_key(path) if is_symbol else path,
            is_member=outer.is_type or bool(receiver) or role == "method",
        )
        self._starts.append(definition.start)
        self._frames.append(
            _Frame(
                end=definition.end,
                symbol=self._find_owner(definition, path, parent),
                path=path,
                is_type=definition.role in ("class", "impl"),
                depth=outer.depth + is_symbol,
                outer=outer_index,
            )
        )
        # A JavaScript function can own methods too (``Name.prototype.method``).
        if is_symbol and (definition.role == "class" or not outer.is_type):
            self._types.setdefault(path, len(self.symbols))
        return place if is_symbol else None

    def _find_parent(self, definition: Definition, outer: _Frame) -> int:
        scope = _join_path(outer.path, definition.receiver)
        return self._types.get(scope, self._types.get(definition.receiver, outer.symbol))

    def _find_owner(self, definition: Definition, path: str, parent: int) -> int:
        """Return the symbol that what stands inside the definition belongs to."""
        if definition.role == "impl":
            return self._types.get(path, -1)
        return parent if definition.role == "namespace" else len(self.symbols)

    def _make_key(self, path: str) -> str:
        """Return the path, or the path with the first ``#n`` that is free."""
        number = self._keys.get(path, 0) + 1
        key = path if number == 1 else f"{path}#{number}"
        while key != path and key in self._keys:
            number += 1
            key = f"{path}#{number}"
        self._keys[path] = number
        self._keys.setdefault(key, 1)
        return key


def _join_path(outer: str, *parts: str) -> str:
    for part in parts:
        if part:
            outer = f"{outer}.{part}" if outer else part
    return outer
