"""Search by likeness to something that is indexed."""

import pytest

from ingestion_pipeline.core.errors import InvalidQueryError
from ingestion_pipeline.search.hits import SearchFilters
from ingestion_pipeline.search.reference import CodeReference, parse_reference
from ingestion_pipeline.search.search import search_like
from ingestion_pipeline_tests.search.small_index import COLLECTION, make_point, make_store

RUN = make_point("run the server loop", "app.py", "App.run")
FILE = make_point("server start stop start stop", "app.py")
TWIN = make_point("server loop", "web.py", "serve", repo="o/two")
OTHER = make_point("password", "login.py", "login")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app.py", CodeReference("app.py")),
        ("./src/app.py::App.run", CodeReference("src/app.py", "App.run")),
        (" app.py :: run ", CodeReference("app.py", "run")),
        ("a.cpp::ns::f", CodeReference("a.cpp", "ns::f")),
    ],
)
def test_references(text: str, expected: CodeReference):
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "  ", "::f", "app.py::", "./"])
def test_malformed_references(text: str):
    with pytest.raises(InvalidQueryError, match=r"Give path or path::symbol"):
        parse_reference(text)


@pytest.mark.parametrize("reference", ["app.py::App.run", "app.py::run"])
def test_a_symbol_finds_what_is_like_it_and_not_itself(reference: str):
    hits = search_like(reference, make_store(RUN, FILE, TWIN, OTHER), COLLECTION)
    assert [hit.id for hit in hits] == [TWIN.id, FILE.id]
    assert hits[0].why == "dense #1, words #1"


def test_a_file_is_found_by_its_path_alone():
    hits = search_like("app.py", make_store(RUN, FILE, TWIN, OTHER), COLLECTION)
    assert {hit.id for hit in hits} == {RUN.id, TWIN.id}


def test_the_limit_holds_without_itself():
    assert len(search_like("app.py", make_store(RUN, FILE, TWIN), COLLECTION, limit=1)) == 1


def test_it_is_left_out_on_every_branch():
    twins = [make_point("run", "app.py", "f", branch=name) for name in ("main", "dev")]
    assert search_like("app.py::f", make_store(*twins), COLLECTION) == []


def test_a_path_that_is_not_indexed():
    with pytest.raises(InvalidQueryError, match=r"No indexed file has the path ap\.py\. Give"):
        search_like("ap.py", make_store(RUN), COLLECTION)
    with pytest.raises(InvalidQueryError, match="No indexed file"):
        search_like("app.py", make_store(RUN), COLLECTION, filters=SearchFilters(repo="o/two"))


def test_a_symbol_that_the_file_does_not_have():
    with pytest.raises(InvalidQueryError, match=r"app.py has no symbol 'stop'. It has: App\.run\."):
        search_like("app.py::stop", make_store(RUN, FILE), COLLECTION)


class TestAmbiguous:
    def test_two_repositories(self):
        second = make_point("run loop", "app.py", "App.run", repo="o/two")
        store = make_store(RUN, second, TWIN, FILE)
        with pytest.raises(
            InvalidQueryError,
            match=r"2 things: o/one@main app\.py::App\.run, o/two@main app\.py::App\.run\. Give",
        ):
            search_like("app.py::run", store, COLLECTION)
        two = SearchFilters(repo="o/two")
        hits = search_like("app.py::run", store, COLLECTION, filters=two)
        assert [hit.id for hit in hits] == [TWIN.id]
        hits = search_like("app.py::run", store, COLLECTION, found_in=two)
        assert {hit.id for hit in hits} == {TWIN.id, RUN.id}

    def test_two_symbols_with_one_last_part(self):
        store = make_store(RUN, make_point("run", "app.py", "Job.run"))
        with pytest.raises(InvalidQueryError, match="2 things"):
            search_like("app.py::run", store, COLLECTION)

    def test_an_exact_symbol_goes_before_a_last_part(self):
        store = make_store(RUN, make_point("loop", "app.py", "run"))
        assert [hit.symbol for hit in search_like("app.py::run", store, COLLECTION)] == ["App.run"]

    def test_two_branches_only_where_they_differ(self):
        same = make_point("run", "app.py", "App.run", branch="dev")
        assert search_like("app.py::run", make_store(RUN, same, TWIN), COLLECTION)
        changed = make_point("run", "app.py", "App.run", branch="dev", blob_sha="b2")
        with pytest.raises(InvalidQueryError, match=r"o/one@dev .*, o/one@main "):
            search_like("app.py::run", make_store(RUN, changed), COLLECTION)

    def test_many_candidates_are_cut_short(self):
        points = [make_point("run", "app.py", repo=f"o/{i:02}") for i in range(20)]
        with pytest.raises(InvalidQueryError, match=r"20 things: o/00@.* and 12 more\. Give"):
            search_like("app.py", make_store(*points), COLLECTION)
