"""Files alone: found through their symbols and through what commits say of them."""

import numpy as np

from ingestion_pipeline.core.relations import FileRelations
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.graph.relations import collect_words
from ingestion_pipeline.search.hits import SearchFilters, SearchHit
from ingestion_pipeline.search.search import search
from ingestion_pipeline_tests.search.small_index import (
    COLLECTION,
    Point,
    encode_text,
    make_point,
    make_sparse,
    make_store,
)

FILES = SearchFilters(kinds=("file",))
COOKIE = make_point("cookie login form page", "cookie.py")
SIGN = make_point("cookie key page form", "sign.py")
SIGN_COOKIE = make_point("sign the session cookie", "sign.py", "sign_cookie")
OTHER = make_point("page form", "other.py")


def _relate(source: SourceId, branch: str, said: dict[str, str]) -> FileRelations:
    paths = sorted(said)
    messages = [[hash_term(term) for term in split_text(said[path])] for path in paths]
    nothing = np.zeros((3, 0), np.int32)
    return FileRelations(
        paths,
        nothing,
        nothing,
        np.zeros(0, np.float32),
        np.zeros(len(paths), np.float32),
        collect_words([np.array([place]) for place in range(len(paths))], messages, len(paths)),
    )


def _find(words: str, *points: Point, said: dict[str, str] | None = None) -> list[SearchHit]:
    asked: list[tuple[str, str]] = []

    def find_relations(source: SourceId, branch: str) -> FileRelations | None:
        asked.append((str(source), branch))
        return None if said is None else _relate(source, branch, said)

    hits = search(
        words,
        make_store(*points),
        encode_text,
        make_sparse,
        COLLECTION,
        filters=FILES,
        find_relations=find_relations,
    )
    assert len(asked) == len(set(asked)) <= len({point.payload["repo"] for point in points})
    return hits


def test_a_file_is_found_through_its_best_symbol() -> None:
    plain = make_point("cookie", "cookie.py", "cookie")
    hits = _find("session cookie", COOKIE, SIGN, SIGN_COOKIE, plain, OTHER)
    assert {hit.kind for hit in hits} == {"file"}
    assert hits[0].path == "sign.py"
    assert hits[0].why.endswith("through sign_cookie")


def test_a_file_is_found_through_what_commits_say() -> None:
    said = {"cookie.py": "Rename a page", "sign.py": "Rotate secrets: two keys for cookies"}
    before = _find("rotate cookie form", COOKIE, SIGN, OTHER)
    after = _find("rotate cookie form", COOKIE, SIGN, OTHER, said=said)
    gained = {hit.path: hit.score for hit in after}
    for hit in before:
        assert (gained[hit.path] > hit.score) == (hit.path == "sign.py")
    assert after[0].path == "sign.py"
    assert after[0].why.endswith("commits #1")


def test_other_kinds_are_ranked_as_before() -> None:
    everything = search(
        "session cookie", make_store(COOKIE, SIGN_COOKIE), encode_text, make_sparse, COLLECTION
    )
    assert [hit.path for hit in everything] == ["sign.py", "cookie.py"]
    assert everything[0].why == "dense #1, words #1"


def test_nothing_found_is_nothing() -> None:
    assert _find("unheard", COOKIE) == []
