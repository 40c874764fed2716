"""Searching over real HTTP."""

import dagster as dg
import httpx
import pytest

from ingestion_pipeline_tests.orchestration.world import KEY, World

PATH = "/api/v1/search"


@pytest.fixture(autouse=True)
def index(world: World, instance: dg.DagsterInstance) -> None:
    assert world.sync(instance).success


def test_words_find_symbols(client: httpx.Client) -> None:
    hits = client.get(PATH, params={"q": "purr", "kind": "function"}).json()["hits"]
    assert (hits[0]["repo"], hits[0]["path"], hits[0]["symbol"]) == (KEY, "src/purr.py", "purr")
    assert "def purr" in hits[0]["snippet"]
    assert {hit["kind"] for hit in hits} == {"function"}


def test_likeness_finds_symbols(client: httpx.Client) -> None:
    hits = client.get(PATH, params={"like": "src/purr.py::purr", "limit": 1}).json()["hits"]
    assert len(hits) == 1
    assert hits[0]["symbol"] != "purr"


def test_filters_hold(client: httpx.Client) -> None:
    params = {"q": "purr", "kind": ["file", "class"], "language": "python"}
    hits = client.get(PATH, params=params).json()["hits"]
    assert {hit["kind"] for hit in hits} <= {"file", "class"}
    assert hits
    for name, value in (("repo", "octo/dog"), ("branch", "dev"), ("language", "cobol")):
        assert client.get(PATH, params={"q": "purr", name: value}).json() == {"hits": []}


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"q": "purr", "like": "a.py"}, 400),
        ({"q": "…"}, 400),
        ({"like": "no/such.py::thing"}, 400),
        ({"q": "purr", "kind": "sentence"}, 422),
        ({"q": "purr", "limit": "0"}, 422),
        ({"q": "purr", "limit": "101"}, 422),
        ({"q": "p" * 2001}, 422),
    ],
)
def test_what_cannot_be_asked_is_refused(
    client: httpx.Client, params: dict[str, str], status: int
) -> None:
    answer = client.get(PATH, params=params)
    assert answer.status_code == status
    assert answer.json()["detail"]
