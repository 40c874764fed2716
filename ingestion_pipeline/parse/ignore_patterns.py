"""Lines of gitignore syntax (https://git-scm.com/docs/gitignore) as something that matches fast.

A folder's patterns are asked once, not for every file below it, and most of them, being names, are
found in a dict. ``pathspec`` 1.1 tries every pattern on every path, and backtracks (``globs``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingestion_pipeline.parse.globs import PatternError, translate_name, translate_path

MAX_PATTERN_CHARS = 500

_WILD = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line.

    Args:
        is_negated: It began with ``!``.
        is_for_folders: It ended with ``/``.
        has_path: It has a slash and is matched against the path, else against the name.
        literal: The name, where no character is special; "" otherwise.
        regex: For a full match.
    """

    is_negated: bool
    is_for_folders: bool
    has_path: bool
    literal: str
    regex: str


@dataclass(slots=True)
class PatternList:
    """The patterns of one ignore file; the last one that matches decides.

    Args:
        lines: As in the file. One that git would never match is left out.
    """

    lines: Sequence[str]
    _patterns: list[_Pattern] = field(init=False)
    _literals: dict[str, list[int]] = field(init=False)
    _by_name: list[tuple[int, re.Pattern[str]]] = field(init=False)
    _by_path: list[tuple[int, re.Pattern[str]]] = field(init=False)
    _any_path: re.Pattern[str] | None = field(init=False)
    _known_names: dict[tuple[str, bool], int] = field(init=False)

    def __post_init__(self) -> None:
        self._patterns, self._literals, self._by_name, self._by_path = [], {}, [], []
        self._known_names = {}
        for line in self.lines:
            try:
                pattern = _read_line(line)
            except PatternError:
                continue
            if pattern is not None:
                self._add(pattern)
        together = "|".join(f"(?:{regex.pattern})" for _, regex in self._by_path)
        self._any_path = re.compile(together, re.DOTALL) if together else None

    def __len__(self) -> int:
        return len(self._patterns)

    def match(self, path: str, name: str, is_folder: bool) -> bool | None:
        """Return True for an ignored path, False for one re-included, None where nothing matches.

        Args:
            path: Relative to the ignore file's folder.
            name: Its last part.
            is_folder: Whether it is one.
        """
        last = self._find_by_name(name, is_folder)
        if self._any_path is not None and self._any_path.fullmatch(path):
            last = max(last, self._find_by_path(path, is_folder))
        return None if last < 0 else not self._patterns[last].is_negated

    def _add(self, pattern: _Pattern) -> None:
        index = len(self._patterns)
        self._patterns.append(pattern)
        if pattern.literal and not pattern.has_path:
            self._literals.setdefault(pattern.literal, []).append(index)
        else:
            compiled = re.compile(pattern.regex, re.DOTALL)
            (self._by_path if pattern.has_path else self._by_name).append((index, compiled))

    def _find_by_name(self, name: str, is_folder: bool) -> int:
        key = (name, is_folder)
        known = self._known_names.get(key)
        if known is None:
            matching = [*self._literals.get(name, ())]
            matching += [index for index, regex in self._by_name if regex.fullmatch(name)]
            known = max(
                (i for i in matching if is_folder or not self._patterns[i].is_for_folders),
                default=-1,
            )
            self._known_names[key] = known
        return known

    def _find_by_path(self, path: str, is_folder: bool) -> int:
        for index, regex in reversed(self._by_path):
            if (is_folder or not self._patterns[index].is_for_folders) and regex.fullmatch(path):
                return index
        return -1


def check_pattern(line: str) -> None:
    """Pass if the line is a pattern, a comment or blank.

    Raises:
        PatternError: With what is wrong.
    """
    _read_line(line)


def _read_line(line: str) -> _Pattern | None:
    """Return the pattern of a line, None for a comment or a blank one."""
    text = _strip(line)
    if not text or text.startswith("#"):
        return None
    if len(text) > MAX_PATTERN_CHARS:
        raise PatternError(f"it is over {MAX_PATTERN_CHARS} characters long")
    is_negated = text.startswith("!")
    text = text[is_negated:]
    is_for_folders = text.endswith("/")
    text = text[: len(text) - is_for_folders]
    if not text or text == "/":
        raise PatternError("it names nothing")
    if "\0" in text or "\n" in text:
        raise PatternError("it has a line end or a NUL in it")
    has_path = "/" in text
    literal = "" if _WILD.search(text) else text
    regex = translate_path(text.removeprefix("/")) if has_path else translate_name(text)
    return _Pattern(is_negated, is_for_folders, has_path, literal, regex)


def _strip(line: str) -> str:
    """Drop the line end and trailing spaces, but none behind a backslash."""
    text = line.rstrip("\r\n")
    while text.endswith(" "):
        bare = text[:-1]
        if (len(bare) - len(bare.rstrip("\\"))) % 2:
            break
        text = bare
    return text
