"""Lines of gitignore syntax (https://git-scm.com/docs/gitignore) as something that matches fast.

``pathspec`` 1.1 tries every pattern on every path, and its expressions backtrack (see ``globs``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion_pipeline.parse.globs import PatternError, translate_name, translate_path

MAX_PATTERN_CHARS = 500

_WILD = re.compile(r"[*?\[\\]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line.

    Args:
        is_negated: It began with ``!``.
        is_for_folders: It ended with ``/``.
        has_path: It has a slash and is matched against the path, else against the name.
        literal: The name or, behind a single star, the name's end; "" where more is special.
        regex: For a full match.
    """

    is_negated: bool
    is_for_folders: bool
    has_path: bool
    literal: str
    regex: re.Pattern[str]


class PatternList:
    """The patterns of one ignore file; the last one that matches decides.

    Args:
        lines: As in the file. One that git would never match is left out.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._patterns: list[_Pattern] = []
        for line in lines:
            try:
                pattern = _read_line(line)
            except PatternError:
                continue
            if pattern is not None:
                self._patterns.append(pattern)
        names = [pattern for pattern in self._patterns if not pattern.has_path]
        plain = [pattern.literal for pattern in names if pattern.literal]
        # Most names meet no pattern; these say so in three steps, however many patterns there are.
        self._names = frozenset(text for text in plain if not text.startswith("*"))
        self._ends = tuple(text[1:] for text in plain if text.startswith("*"))
        self._other_name = _join([pattern for pattern in names if not pattern.literal])
        self._any_path = _join([pattern for pattern in self._patterns if pattern.has_path])

    def __len__(self) -> int:
        return len(self._patterns)

    def match(self, path: str, name: str, is_folder: bool) -> bool | None:
        """Return True for an ignored path, False for one re-included, None where nothing matches.

        Args:
            path: Relative to the ignore file's folder.
            name: Its last part.
            is_folder: Whether it is one.
        """
        if (
            name in self._names
            or name.endswith(self._ends)
            or (self._other_name is not None and self._other_name.fullmatch(name))
            or (self._any_path is not None and self._any_path.fullmatch(path))
        ):
            return self._find_last(path, name, is_folder)
        return None

    def _find_last(self, path: str, name: str, is_folder: bool) -> bool | None:
        for pattern in reversed(self._patterns):
            if pattern.is_for_folders and not is_folder:
                continue
            if pattern.regex.fullmatch(path if pattern.has_path else name):
                return not pattern.is_negated
        return None


def _join(patterns: Sequence[_Pattern]) -> re.Pattern[str] | None:
    """Return an expression for what any of the patterns matches, None for no pattern."""
    expressions = [f"(?:{pattern.regex.pattern})" for pattern in patterns]
    return re.compile("|".join(expressions), re.DOTALL) if expressions else None


def check_pattern(line: str) -> None:
    """Pass if the line is a pattern, a comment or blank.

    Raises:
        PatternError: With what is wrong.
    """
    # JSON can say one ("\ud800"); no path has one, and no answer can tell of it.
    if _SURROGATE.search(line):
        raise PatternError("it has half of a surrogate pair in it")
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
    literal = "" if _WILD.search(text, 1) or text[0] in "?[\\" else text
    regex = translate_path(text.removeprefix("/")) if has_path else translate_name(text)
    compiled = re.compile(regex, re.DOTALL)
    return _Pattern(is_negated, is_for_folders, has_path, literal, compiled)


def _strip(line: str) -> str:
    """Drop the line end and trailing spaces, but none behind a backslash."""
    text = line.rstrip("\r\n")
    while text.endswith(" "):
        bare = text[:-1]
        if (len(bare) - len(bare.rstrip("\\"))) % 2:
            break
        text = bare
    return text
