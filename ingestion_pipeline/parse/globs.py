"""Git's globs as regular expressions that cannot blow up.

A repository may be hostile, and the usual translation of ``*a*a*a*a*b`` (``[^/]*a[^/]*a…``) takes a
backtracking matcher days on a long name. Here what follows a star is an atomic group with it: the
first place that fits is taken and never given back. That loses nothing, since an earlier end leaves
more to the stars behind, and takes at most the pattern's length times the path's.
"""

import re

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_STARS = re.compile(r"\*+")


class PatternError(ValueError):
    """A pattern that no path can match."""


def translate_path(pattern: str) -> str:
    """Return the expression for a glob with slashes, to be matched in full.

    Args:
        pattern: Without a leading or trailing slash.

    Raises:
        PatternError: It can match nothing.
    """
    groups: list[list[str]] = [[]]
    for part in pattern.split("/"):
        if part == "**":
            groups.append([])
        else:
            groups[-1].append(translate_name(part))
    first, *others = ["/".join(group) for group in groups]
    if not others:
        return first
    *middle, last = others
    gaps = "".join(rf"(?>(?:[^/]+/)*?{group}/)" for group in middle if group)
    end = rf"(?:[^/]+/)*{last}" if last else ".+"
    return (f"{first}/" if first else "") + gaps + end


def translate_name(pattern: str) -> str:
    """Return the expression for a glob without slashes, to be matched in full.

    Raises:
        PatternError: It can match nothing.
    """
    pieces = [""]
    position = 0
    while position < len(pattern):
        if stars := _STARS.match(pattern, position):
            pieces.append("")
            position = stars.end()
        else:
            piece, position = _translate_one(pattern, position)
            pieces[-1] += piece
    first, *others = pieces
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + f"[^/]*{last}"


def _translate_one(pattern: str, position: int) -> tuple[str, int]:
    """Return the expression for one character of a path, and where the pattern goes on."""
    character = pattern[position]
    if character == "?":
        return "[^/]", position + 1
    if character == "[":
        return _translate_brackets(pattern, position + 1)
    if character == "\\":
        position += 1
        if position == len(pattern):
            raise PatternError("it ends with a backslash that escapes nothing")
    return re.escape(pattern[position]), position + 1


def _translate_brackets(pattern: str, position: int) -> tuple[str, int]:
    """Translate ``[a-z_]``, from behind its opening bracket."""
    is_negated = pattern.startswith(("!", "^"), position)
    position += is_negated
    members: list[str] = []
    while not (pattern.startswith("]", position) and members):
        member, position = _read_member(pattern, position)
        members.append(member)
    sign = "^" if is_negated else ""
    return rf"(?!/)[{sign}{''.join(members)}]", position + 1


def _read_member(pattern: str, position: int) -> tuple[str, int]:
    """Read one character, range or class; of a range such as ``z-a`` git keeps the first end."""
    end = pattern.find(":]", position + 2) if pattern.startswith("[:", position) else -1
    if end >= 0:
        name = pattern[position + 2 : end]
        if name not in _CLASSES:
            raise PatternError(f"it has an unknown class [:{name}:]")
        return _CLASSES[name], end + 2
    low, position = _read_character(pattern, position)
    if not pattern.startswith("-", position) or pattern.startswith("-]", position):
        return re.escape(low), position
    high, position = _read_character(pattern, position + 1)
    return (f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)), position


def _read_character(pattern: str, position: int) -> tuple[str, int]:
    position += pattern.startswith("\\", position)
    if position >= len(pattern):
        raise PatternError("it has a [ that is never closed")
    return pattern[position], position + 1
