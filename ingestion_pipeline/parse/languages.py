"""Which language a file is written in, from its name, its first line and, for headers, its text."""

import re

MARKDOWN = "markdown"
TEXT = "text"

_EXTENSIONS = {
    "bash": "bash sh zsh ksh bats ebuild",
    "c": "c",
    "cpp": "cc cpp cxx c++ hh hpp hxx h++ inl ipp tcc tpp cu cuh ino",
    "csharp": "cs csx",
    "go": "go",
    "java": "java",
    "javascript": "js jsx mjs cjs",
    MARKDOWN: "md markdown mdx mkd",
    "php": "php php5 php7 php8 phtml",
    "python": "py pyi pyw",
    "ruby": "rb rake gemspec ru podspec jbuilder",
    "rust": "rs",
    "tsx": "tsx",
    "typescript": "ts mts cts",
}
_GRAMMAR_BY_EXTENSION = {
    f".{extension}": grammar
    for grammar, extensions in _EXTENSIONS.items()
    for extension in extensions.split()
}
_GRAMMAR_BY_NAME = {
    "brewfile": "ruby",
    "capfile": "ruby",
    "fastfile": "ruby",
    "gemfile": "ruby",
    "guardfile": "ruby",
    "podfile": "ruby",
    "rakefile": "ruby",
    "vagrantfile": "ruby",
    "sconscript": "python",
    "sconstruct": "python",
    "wscript": "python",
    ".bash_aliases": "bash",
    ".bash_profile": "bash",
    ".bashrc": "bash",
    ".profile": "bash",
    ".zshrc": "bash",
    "pkgbuild": "bash",
}
_GRAMMAR_BY_INTERPRETER = {
    "bash": "bash",
    "dash": "bash",
    "ksh": "bash",
    "sh": "bash",
    "zsh": "bash",
    "bun": "typescript",
    "deno": "typescript",
    "ts-node": "typescript",
    "tsx": "typescript",
    "node": "javascript",
    "nodejs": "javascript",
    "php": "php",
    "pypy": "python",
    "python": "python",
    "ruby": "ruby",
}
_PROSE_NAMES = frozenset(
    "authors changelog contributing copying history license news readme".split()
)
_PROSE_EXTENSIONS = frozenset((".adoc", ".asciidoc", ".org", ".rst", ".txt"))
_SHEBANG = re.compile(
    rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-\S+[ \t]+)*(?:\w+=\S*[ \t]+)*(?:\S*/)?)?([\w.+-]+)"
)
_CPP_HEADER = re.compile(
    rb"^[ \t]*(?:class\s+\w+[^;\n]*[{:\n]|(?:inline\s+)?namespace\b|template\s*<|"
    rb"using\s+(?:namespace\s+)?\w|(?:public|private|protected)\s*:|constexpr\b|"
    rb"#\s*include\s*<(?:algorithm|array|functional|iostream|map|memory|string|utility|vector)>)",
    re.MULTILINE,
)


# Hints besides the names of grammars; see ``get_path_hint``.
_HEADER = "header"
_PROSE = "prose"
_SCRIPT = "script"
_SCRIPT_OR_PROSE = "script or prose"


def get_path_hint(path: str) -> str:
    """Return all that a file's path says about its facts, in a word.

    Two files with the same bytes and the same hint have the same ``FileFacts``, ``path`` and
    ``blob_sha`` apart; so the hint, not the path, is part of the key of a parsed record.

    Returns:
        A grammar's name, ``markdown``, ``text`` or ``prose`` (text that opens with a paragraph
        about itself) where the name decides; ``header``, ``script`` or ``script or prose`` where
        the content decides among a few.
    """
    # Asked for every file of every sync, so without an object for each path.
    name = path.rpartition("/")[2].lower()
    if name in _GRAMMAR_BY_NAME:
        return _GRAMMAR_BY_NAME[name]
    dot = name.rfind(".")
    extension = name[dot:] if 0 < dot < len(name) - 1 else ""
    if not extension:
        return _SCRIPT_OR_PROSE if name in _PROSE_NAMES else _SCRIPT
    if extension == ".h":
        return _HEADER
    return _GRAMMAR_BY_EXTENSION.get(extension, _PROSE if extension in _PROSE_EXTENSIONS else TEXT)


def detect_grammar(hint: str, source: bytes) -> str:
    """Return the name of the grammar for a file, ``markdown``, or ``text`` where there is none.

    Args:
        hint: What ``get_path_hint`` said.
        source: The text as UTF-8; its first line and, for ``.h`` files, all of it is looked at.
    """
    if hint == _HEADER:
        return "cpp" if _CPP_HEADER.search(source) else "c"
    if hint in (_SCRIPT, _SCRIPT_OR_PROSE):
        return _detect_interpreter(source)
    return TEXT if hint == _PROSE else hint


def get_language(grammar: str) -> str:
    """Return the language a grammar stands for, as in ``FileFacts.language``."""
    return "typescript" if grammar == "tsx" else grammar


def is_prose(hint: str) -> bool:
    """Whether the first paragraph of a file without a grammar says what the file is about."""
    return hint in (_PROSE, _SCRIPT_OR_PROSE)


def _detect_interpreter(source: bytes) -> str:
    match = _SHEBANG.match(source)
    if match is None:
        return TEXT
    interpreter = match.group(1).decode("ascii", "replace").lower()
    return _GRAMMAR_BY_INTERPRETER.get(interpreter.rstrip("0123456789."), TEXT)
