"""Search by words."""

import math

import pytest

from ingestion_pipeline.core.errors import InvalidQueryError, PointStoreUnavailableError
from ingestion_pipeline.core.points import PointFilter, ScoredPoint, SparseVector
from ingestion_pipeline.search.fusion import fuse
from ingestion_pipeline.search.hits import SearchFilters, SearchHit
from ingestion_pipeline.search.search import search
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.search.small_index import (
    COLLECTION,
    encode_text,
    make_point,
    make_sparse,
    make_store,
)

URL = make_point("parse the url of a request", "web/url.py", "parse_url")
ARGS = make_point("parse command arguments", "cli/args.py", "Parser.parse")
LOGIN = make_point("login password session", "web/login.py")
WHOLE = make_point("parse url", "", repo="o/one", kind="repository")


def _find(store: FakePointStore, words: str, **more: object) -> list[SearchHit]:
    filters = SearchFilters(**{k: v for k, v in more.items() if k != "limit"})  # pyright: ignore[reportArgumentType]
    limit = more.get("limit", 10)
    assert isinstance(limit, int)
    return search(words, store, encode_text, make_sparse, COLLECTION, filters=filters, limit=limit)


def test_a_hit_says_what_where_and_why():
    hits = _find(make_store(URL, ARGS, LOGIN), "parse url")
    assert [hit.symbol for hit in hits] == ["parse_url", "Parser.parse"]
    assert hits[0] == SearchHit(
        id=URL.id,
        repo="o/one",
        branch="main",
        other_branches=(),
        path="web/url.py",
        symbol="parse_url",
        kind="function",
        language="python",
        signature="def parse_url()",
        start_line=3,
        end_line=9,
        score=hits[0].score,
        why="dense #1, words #1",
        source="github:o/one",
        blob_sha="b1",
    )
    assert hits[0].score > 0 > hits[1].score


@pytest.mark.parametrize("words", ["", "   ", "\n"])
def test_an_empty_search_is_refused(words: str):
    with pytest.raises(InvalidQueryError, match="The search is empty"):
        _find(make_store(URL), words)


@pytest.mark.parametrize("words", ["the of and", "def class return", "!!! ???", "a", "12"])
def test_words_that_say_nothing_are_refused(words: str):
    with pytest.raises(InvalidQueryError, match="only words that stand in nearly every file"):
        _find(make_store(URL), words)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_bad_limit_is_refused(limit: int):
    with pytest.raises(InvalidQueryError, match="1 to 1000 hits"):
        _find(make_store(URL), "parse", limit=limit)


def test_an_unknown_kind_is_refused():
    with pytest.raises(InvalidQueryError, match=r"Unknown kind module\. Choose from: file, class"):
        _find(make_store(URL), "parse", kinds=("module",))


def test_a_collection_that_does_not_exist_has_no_hits():
    assert _find(FakePointStore(), "parse") == []


def test_what_shares_nothing_is_no_hit():
    assert _find(make_store(URL, LOGIN), "password")[0].path == "web/login.py"
    assert len(_find(make_store(URL, LOGIN), "password")) == 1


class TestFilters:
    STORE = make_store(
        make_point("parse", "a.py", "f"),
        make_point("parse", "a.go", "f", repo="o/two", language="go"),
        make_point("parse", "a.py", "f", repo="o/two", branch="dev"),
        make_point("parse", "a.py", repo="o/three"),
        make_point("parse", "", repo="o/three", kind="repository"),
    )

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, ["o/one a.py f", "o/three a.py ", "o/two a.go f", "o/two a.py f"]),
            ({"repo": "o/two"}, ["o/two a.go f", "o/two a.py f"]),
            ({"branch": "dev"}, ["o/two a.py f"]),
            ({"language": "go"}, ["o/two a.go f"]),
            ({"kinds": ("file",)}, ["o/three a.py "]),
            ({"kinds": ("repository",)}, ["o/three  "]),
            ({"kinds": ("file", "repository")}, ["o/three  ", "o/three a.py "]),
            ({"repo": "o/none"}, []),
        ],
    )
    def test_all_must_hold(self, filters: dict[str, object], expected: list[str]):
        hits = _find(self.STORE, "parse", **filters)
        assert sorted(f"{hit.repo} {hit.path} {hit.symbol}" for hit in hits) == expected


class TestBranches:
    def test_one_thing_on_many_branches_is_one_hit(self):
        points = [make_point("parse url", "a.py", "f", branch=f"b{i}") for i in range(3)]
        hits = _find(make_store(*points, ARGS), "parse url")
        assert [hit.symbol for hit in hits] == ["f", "Parser.parse"]
        assert sorted([hits[0].branch, *hits[0].other_branches]) == ["b0", "b1", "b2"]
        assert hits[1].why == "dense #2, words #2"

    def test_branches_do_not_crowd_out_others(self):
        crowd = [make_point("parse url", "a.py", "f", branch=f"b{i}") for i in range(180)]
        hits = _find(make_store(*crowd, ARGS, URL), "parse url", limit=3)
        assert {hit.symbol for hit in hits} == {"f", "Parser.parse", "parse_url"}
        assert len(hits[0].other_branches) == 179

    def test_the_same_path_in_two_repositories_is_two_hits(self):
        store = make_store(make_point("parse", "a.py"), make_point("parse", "a.py", repo="o/two"))
        assert len(_find(store, "parse")) == 2


def test_the_limit_holds():
    points = [make_point("parse url", f"{i:03}.py") for i in range(200)]
    hits = _find(make_store(*points), "parse", limit=150)
    assert len({hit.path for hit in hits}) == 150


def test_errors_of_the_store_reach_the_caller():
    class Down(FakePointStore):
        """A store whose word search does not answer."""

        def search_sparse(
            self, collection: str, vector: SparseVector, where: PointFilter, limit: int
        ) -> list[ScoredPoint]:
            raise PointStoreUnavailableError("timed out")

    with pytest.raises(PointStoreUnavailableError):
        _find(Down(), "parse")


def make_scored(name: str, score: float) -> ScoredPoint:
    return ScoredPoint(name, score, {"repo": "r", "path": name})


EQUAL = {"dense": 1.0, "words": 1.0}


class TestFuse:
    def test_scores_are_sums_of_standard_scores(self):
        dense = [make_scored("a", 0.9), make_scored("b", 0.6), make_scored("c", 0.3)]
        words = [make_scored("b", 20.0), make_scored("c", 10.0)]
        hits = fuse({"dense": dense, "words": words}, {"dense": 2.0, "words": 1.0})
        assert [(hit.path, hit.why) for hit in hits] == [
            ("a", "dense #1"),
            ("b", "dense #2, words #1"),
            ("c", "dense #3, words #2"),
        ]
        # What an answer does not name is as good as the last that it does.
        spread = math.sqrt(3 / 2)
        assert [hit.score for hit in hits] == pytest.approx([2 * spread - 1, 1, -2 * spread - 1])

    def test_how_far_ahead_a_hit_is_counts(self):
        near = [make_scored("a", 0.51), make_scored("b", 0.50), make_scored("c", 0.1)]
        far = [make_scored("b", 30.0), make_scored("c", 3.0), make_scored("a", 2.0)]
        assert fuse({"dense": near, "words": far}, EQUAL)[0].path == "b"

    def test_equal_scores_have_an_order(self):
        a, b = (make_scored(name, 1.0) for name in "ab")
        hits = fuse({"dense": [b, a], "words": [a, b]}, EQUAL)
        assert [hit.path for hit in hits] == ["a", "b"]

    def test_no_answers_are_no_hits(self):
        assert fuse({"dense": [], "words": []}, EQUAL) == []
        assert fuse({}, EQUAL) == []

    def test_a_payload_with_holes_is_shown_with_blanks(self):
        hit = fuse({"dense": [ScoredPoint("i", 1.0, {"path": "a"})]}, EQUAL)[0]
        assert (hit.repo, hit.symbol, hit.start_line, hit.why) == ("", "", 0, "dense #1")
