"""Which language a file is written in, from its name, its first line and, for headers, its text."""

import re
from pathlib import PurePosixPath

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
_PROSE_EXTENSIONS = frozenset((".adoc", ".asciidoc", ".org", ".rst", ".txt", ""))
_SHEBANG = re.compile(
    rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-\S+[ \t]+)*(?:\w+=\S*[ \t]+)*(?:\S*/)?)?([\w.+-]+)"
)
_CPP_HEADER = re.compile(
    rb"^[ \t]*(?:class\s+\w+[^;\n]*[{:\n]|(?:inline\s+)?namespace\b|template\s*<|"
    rb"using\s+(?:namespace\s+)?\w|(?:public|private|protected)\s*:|constexpr\b|"
    rb"#\s*include\s*<(?:algorithm|array|functional|iostream|map|memory|string|utility|vector)>)",
    re.MULTILINE,
)


def detect_grammar(path: str, source: bytes) -> str:
    """Return the name of the grammar for a file, ``markdown``, or ``text`` where there is none.

    Args:
        path: Repository path.
        source: The text as UTF-8; its first line and, for ``.h`` files, all of it is looked at.
    """
    name = PurePosixPath(path).name.lower()
    if name in _GRAMMAR_BY_NAME:
        return _GRAMMAR_BY_NAME[name]
    extension = PurePosixPath(name).suffix
    if extension == ".h":
        return "cpp" if _CPP_HEADER.search(source) else "c"
    if not extension:
        return _detect_interpreter(source)
    return _GRAMMAR_BY_EXTENSION.get(extension, TEXT)


def get_language(grammar: str) -> str:
    """Return the language a grammar stands for, as in ``FileFacts.language``."""
    return "typescript" if grammar == "tsx" else grammar


def is_prose(path: str) -> bool:
    """Whether the first paragraph of a file without a grammar says what the file is about."""
    name = PurePosixPath(path.lower())
    if name.suffix == "":
        return name.name in _PROSE_NAMES
    return name.suffix in _PROSE_EXTENSIONS


def _detect_interpreter(source: bytes) -> str:
    match = _SHEBANG.match(source)
    if match is None:
        return TEXT
    interpreter = match.group(1).decode("ascii", "replace").lower()
    return _GRAMMAR_BY_INTERPRETER.get(interpreter.rstrip("0123456789."), TEXT)
