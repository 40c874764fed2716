"""Import statements as plain strings; the formats stand in the package's docstring."""

import re
from collections.abc import Mapping

_USE_TOKEN = re.compile(r"[{},]|\bas\b|(?:r#)?\w+|\*")
_SPACE = re.compile(r"\s+")
_QUOTED = re.compile(r"""(["'])((?:(?!\1).)*)\1""", re.DOTALL)
_IMPORT_FUNCTIONS = {
    "bash": frozenset(("source", ".")),
    "ruby": frozenset(("require", "require_relative")),
}
_REQUIRE = frozenset(("require",))
_MAX_TARGET_CHARS = 500
_MAX_SEGMENTS = 50


def format_import(grammar: str, pieces: Mapping[str, str]) -> list[str]:
    """Return the targets of one import.

    Args:
        grammar: Key of ``GRAMMARS``; some functions import in one language only.
        pieces: Source text by capture name, ``import`` or ``import.…``.

    Returns:
        Targets in source order, none for a call that is no import after all.
    """
    if "import.function" in pieces:
        targets = _form_function(grammar, pieces)
    else:
        form = next((form for name, form in _FORMS.items() if name in pieces), _form_plain)
        targets = form(pieces)
    return [target[:_MAX_TARGET_CHARS] for target in targets if target]


def _form_function(grammar: str, pieces: Mapping[str, str]) -> list[str]:
    function = pieces["import.function"]
    if function not in _IMPORT_FUNCTIONS.get(grammar, _REQUIRE):
        return []
    target = _strip_quotes(pieces["import.argument"])
    return [f"{function}:{target}" if grammar == "ruby" else target]


def _form_file(pieces: Mapping[str, str]) -> list[str]:
    expression = pieces["import.file"].strip("() \t\n")
    strings = [match.group(2) for match in _QUOTED.finditer(expression)]
    if not strings:
        return []
    is_literal = expression[0] in "\"'"
    return ["include:" + (strings[-1] if is_literal else strings[-1].lstrip("/"))]


def _form_use(pieces: Mapping[str, str]) -> list[str]:
    """Expand the braces of a Rust ``use``; a stack, because braces nest as deep as they like."""
    targets: list[str] = []
    prefixes: list[list[str]] = [[]]
    path: list[str] = []
    after_as = False

    def finish() -> None:
        if path:
            parts = prefixes[-1] + (path[:-1] if path[-1] == "self" and prefixes[-1] else path)
            targets.append("::".join(parts))
            path.clear()

    for piece in _USE_TOKEN.findall(pieces["import.use"]):
        if piece == "{":
            prefixes.append((prefixes[-1] + path)[:_MAX_SEGMENTS])
            path.clear()
        elif piece in ",}":
            finish()
            if piece == "}" and len(prefixes) > 1:
                prefixes.pop()
        elif piece != "as" and not after_as:
            path.append(piece.removeprefix("r#"))
        after_as = piece == "as"
    finish()
    return targets


def _form_plain(pieces: Mapping[str, str]) -> list[str]:
    target = _strip_quotes(_SPACE.sub("", pieces["import"]))
    return [target.removeprefix("global::").lstrip("\\")]


def _strip_quotes(text: str) -> str:
    return text.replace('"', "") if text[:1] == '"' else text.strip("'`")


_FORMS = {
    "import.file": _form_file,
    "import.use": _form_use,
    "import.mod": lambda pieces: [f"self::{pieces['import.mod']}"],
    "import.include": lambda pieces: [pieces["import.include"].strip()],
    "import.wildcard": lambda pieces: [_SPACE.sub("", pieces["import.module"]) + ".*"],
    "import.member": lambda pieces: [
        f"{pieces['import.group']}\\{pieces['import.member']}".lstrip("\\")
    ],
    "import.name": lambda pieces: [
        f"{_SPACE.sub('', pieces['import.module'])}:{_SPACE.sub('', pieces['import.name'])}"
    ],
}
