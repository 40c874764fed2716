"""Words out of names and prose: the vocabulary that parser, encoder and search share.

An identifier such as ``parseHTTPResponse_v2`` becomes ``pars``, ``http``, ``respons``: split at
case changes and underscores, lowercased, stop words and language keywords dropped, lightly stemmed.
A term is stored as the CRC-32 of its text, so that no vocabulary file is needed and two
repositories agree on every term.
"""

import re
import zlib
from collections.abc import Iterable
from functools import lru_cache

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_a-zA-Z]+")

STOP_WORDS = frozenset(
    "a an and are as at be by can for from has if in is it its not of on or that the this to use "
    "used we when which will with you i".split()
)
KEYWORDS = frozenset(
    "abstract async await bool boolean break byte case catch char class const continue def default "
    "del do double elif else elsif end endif enum err except export extends false final finally "
    "float fn for func function go goto if impl implements import in include instanceof int "
    "interface is lambda let long match module mut namespace new nil none not null ok or package "
    "pass private protected pub public raise require return self short some static str string "
    "struct super switch then this throw throws trait true try type typedef typeof undefined union "
    "unless unsigned until use using val var virtual void volatile while with yield".split()
)


def stem(word: str) -> str:
    """Strip the commonest English endings from a lowercase word; cheap, and stable for ever.

    The plural goes first, so that ``values`` and ``value`` both become ``valu``.
    """
    if len(word) >= 4 and word.endswith("s") and not word.endswith(("ss", "ies")):
        word = word[:-1]
    if len(word) <= 4:
        return word
    rules = (("ies", 5, 3, "y"), ("ing", 7, 3, ""), ("ed", 6, 2, ""))
    for ending, least, cut, tail in rules:
        if word.endswith(ending) and len(word) >= least:
            return word[:-cut] + tail
    return word[:-1] if word.endswith("e") else word


@lru_cache(maxsize=200_000)
def split_identifier(identifier: str) -> tuple[str, ...]:
    """Return the stemmed sub-words of one identifier, in order, duplicates kept."""
    # Most names need no expression to be split, which takes half of the time here.
    is_snake = identifier.islower() and identifier.isascii()
    if is_snake and identifier.replace("_", "").isalpha():
        words = identifier.split("_")
    else:
        words = _WORD.findall(identifier)
    return tuple(filter(None, map(_normalize, words)))


@lru_cache(maxsize=100_000)
def _normalize(word: str) -> str:
    """Return a sub-word's stem, "" for one that says nothing."""
    word = word.lower()
    if len(word) <= 1 or word in KEYWORDS or word in STOP_WORDS:
        return ""
    return stem(word)


def split_text(text: str) -> list[str]:
    """Return the stemmed words of prose or code, in order, duplicates kept."""
    return [term for name in _IDENTIFIER.findall(text) for term in split_identifier(name)]


@lru_cache(maxsize=100_000)
def hash_term(term: str) -> int:
    """Return the CRC-32 of a term, 0 ≤ id < 2**32: its id in every vector and table."""
    return zlib.crc32(term.encode("utf-8"))


def count_terms(terms: Iterable[str]) -> dict[int, int]:
    """Return term id → number of occurrences."""
    counts: dict[int, int] = {}
    for term in terms:
        key = hash_term(term)
        counts[key] = counts.get(key, 0) + 1
    return counts
