"""Names inside type expressions and qualified names."""

import re

MAX_NAME_CHARS = 200

_SIMPLE_NAME = re.compile(r"[^\W\d]\w*")
_TYPE_PREFIX = re.compile(r"^(?:[&*\s\\]|'\w+|(?:mut|dyn|const|impl)\b)+")
_ARGUMENTS_START = re.compile(r"[<\[({]")
_TYPE_ARGUMENTS = re.compile(r"<[^<>]*>")
_MAX_ARGUMENT_DEPTH = 8


def split_qualified(text: str) -> tuple[str, str]:
    """Split ``a::Foo<T>::bar`` into ``bar`` and ``a.Foo``; ``operator<`` keeps its sign."""
    scope, operator, sign = text.partition("operator")
    if operator and (not scope or scope.endswith("::")):
        name = operator + sign
    else:
        scope, name = text, ""
    for _ in range(_MAX_ARGUMENT_DEPTH):
        scope, count = _TYPE_ARGUMENTS.subn("", scope)
        if not count:
            break
    parts = [part.strip() for part in scope.split("::") if part.strip()]
    if not name and parts:
        name = parts.pop()
    return name, ".".join(parts)


def get_simple_name(text: str) -> str:
    """Return the last name of a type expression without its arguments: ``a::B<C>`` → ``B``."""
    bare = _ARGUMENTS_START.split(_TYPE_PREFIX.sub("", text), maxsplit=1)[0]
    names = _SIMPLE_NAME.findall(bare)
    return names[-1][:MAX_NAME_CHARS] if names else ""
