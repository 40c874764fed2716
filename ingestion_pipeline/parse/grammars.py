"""The grammars: which wheel and which query files each one takes, loaded when first needed."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from tree_sitter import Language, Query

# Raised by hand when our own code (not a query file) changes the facts it finds.
PARSER_REVISION = "2"

_QUERIES = Path(__file__).parent / "queries"


@dataclass(frozen=True, slots=True)
class GrammarSpec:
    """Where a grammar comes from.

    Args:
        distribution: The wheel's name on PyPI.
        queries: Query files under ``queries/``, put together in this order.
        function: The function of the wheel's module that returns the grammar.
    """

    distribution: str
    queries: tuple[str, ...]
    function: str = "language"

    @property
    def module(self) -> str:
        """The wheel's import name."""
        return self.distribution.replace("-", "_")


GRAMMARS = {
    "bash": GrammarSpec("tree-sitter-bash", ("bash",)),
    "c": GrammarSpec("tree-sitter-c", ("c",)),
    "cpp": GrammarSpec("tree-sitter-cpp", ("c", "cpp")),
    "csharp": GrammarSpec("tree-sitter-c-sharp", ("csharp",)),
    "go": GrammarSpec("tree-sitter-go", ("go",)),
    "java": GrammarSpec("tree-sitter-java", ("java",)),
    "javascript": GrammarSpec("tree-sitter-javascript", ("ecmascript", "javascript", "jsx")),
    "php": GrammarSpec("tree-sitter-php", ("php",), "language_php"),
    "python": GrammarSpec("tree-sitter-python", ("python",)),
    "ruby": GrammarSpec("tree-sitter-ruby", ("ruby",)),
    "rust": GrammarSpec("tree-sitter-rust", ("rust",)),
    "tsx": GrammarSpec(
        "tree-sitter-typescript", ("ecmascript", "typescript", "jsx"), "language_tsx"
    ),
    "typescript": GrammarSpec(
        "tree-sitter-typescript", ("ecmascript", "typescript"), "language_typescript"
    ),
}


@cache
def load_language(grammar: str) -> Language:
    """Return the compiled grammar; one of the keys of ``GRAMMARS``."""
    spec = GRAMMARS[grammar]
    return Language(getattr(import_module(spec.module), spec.function)())


@cache
def load_query(grammar: str) -> Query:
    """Return our query for a grammar, compiled once per process (tens of milliseconds each)."""
    spec = GRAMMARS[grammar]
    return Query(load_language(grammar), "\n".join(map(_read_query, spec.queries)))


@cache
def get_parser_version() -> str:
    """Return 12 hex digits that change whenever the facts of an unchanged file may change.

    They cover our revision, the text of every query file, and the installed versions of
    tree-sitter and of every grammar wheel. Part of the pipeline's fingerprint.
    """
    from importlib import metadata  # a seventh of a worker's start, and no worker needs it

    distributions = {"tree-sitter"} | {spec.distribution for spec in GRAMMARS.values()}
    queries = {name for spec in GRAMMARS.values() for name in spec.queries}
    parts = {
        "revision": PARSER_REVISION,
        "wheels": {name: metadata.version(name) for name in distributions},
        "queries": {name: _read_query(name) for name in queries},
    }
    encoded = json.dumps(parts, sort_keys=True).encode("utf-8")
    return hashlib.sha256(encoded).hexdigest()[:12]


def _read_query(name: str) -> str:
    return (_QUERIES / f"{name}.scm").read_text(encoding="utf-8")
