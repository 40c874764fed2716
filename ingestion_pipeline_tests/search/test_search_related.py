"""What belongs together with a file: words, vectors, references and common commits."""

from dataclasses import replace

import numpy as np
import pytest

from ingestion_pipeline.core.errors import EncoderMismatchError
from ingestion_pipeline.core.relations import FileRelations, FileWords
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.search.hits import SearchFilters, SearchHit
from ingestion_pipeline.search.related import RelatedSignals
from ingestion_pipeline.search.scores import CANDIDATES
from ingestion_pipeline.search.search import search_like
from ingestion_pipeline_tests.search.small_index import COLLECTION, Point, make_point, make_store

APP = make_point("server loop start", "app.py")
WEB = make_point("server loop", "web.py")
RUN = make_point("server loop", "web.py", "run")
STYLE = make_point("colour font", "style.py")
ELSEWHERE = make_point("server loop start", "else.py", repo="o/two")
ANYTHING = SearchFilters()
PATHS = ["app.py", "gone.py", "style.py", "web.py"]
KNOWN = FileRelations(
    PATHS,
    np.array([[0, 0], [1, 3], [5, 1]], np.int32),
    np.array([[0], [2], [4]], np.int32),
    np.array([3.5], np.float32),
    np.array([1, 0, 0, 0], np.float32),
    FileWords(np.zeros(5, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)),
)


def _find(
    *points: Point,
    known: FileRelations | None = KNOWN,
    filters: SearchFilters = ANYTHING,
    limit: int = 10,
) -> list[SearchHit]:
    asked: list[tuple[SourceId, str]] = []

    def find_relations(source: SourceId, branch: str) -> FileRelations | None:
        asked.append((source, branch))
        return known

    def relate(vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    signals = RelatedSignals(relate, find_relations)
    hits = search_like(
        "app.py",
        make_store(*points),
        COLLECTION,
        filters=filters,
        found_in=SearchFilters(repo="o/one", branch="main"),
        limit=limit,
        signals=signals,
    )
    assert [(str(source), branch) for source, branch in asked] == [("github:o/one", "main")]
    return hits


def test_common_commits_find_what_no_word_finds() -> None:
    assert [hit.path for hit in _find(APP, WEB, STYLE, known=None)] == ["web.py"]
    hits = _find(APP, WEB, STYLE)
    assert [hit.path for hit in hits] == ["style.py", "web.py"]
    assert [hit.why for hit in hits] == [
        "related #2, 4 common commits",
        "words #1, related #1, 1 reference",
    ]


def test_what_is_gone_from_the_store_is_not_found() -> None:
    assert "gone.py" not in {hit.path for hit in _find(APP, WEB, STYLE)}


def test_itself_is_left_out_on_every_branch_and_filters_hold() -> None:
    twin = make_point("server loop start", "app.py", branch="dev")
    hits = _find(APP, twin, WEB, RUN, STYLE, filters=SearchFilters(kinds=("function",)))
    assert [(hit.path, hit.symbol) for hit in hits] == [("web.py", "run")]
    ruby = replace(STYLE, payload={**STYLE.payload, "language": "ruby"})
    only_python = SearchFilters(language="python")
    assert [hit.path for hit in _find(APP, ruby, WEB, filters=only_python)] == ["web.py"]


def test_ties_hold_within_their_branch_alone() -> None:
    foreign = make_point("colour font", "style.py", repo="o/two")
    assert [hit.path for hit in _find(APP, WEB, foreign)] == ["web.py"]
    assert [hit.repo for hit in _find(APP, ELSEWHERE, STYLE)] == ["o/one", "o/two"]


def test_a_lively_file_gains_over_its_own_and_nobody_elses() -> None:
    quiet = _find(APP, WEB, STYLE, ELSEWHERE)
    activity = np.array([0, 0, 0, 9], np.float32)
    lively = {
        hit.path: hit.score
        for hit in _find(APP, WEB, STYLE, ELSEWHERE, known=replace(KNOWN, activity=activity))
    }
    change = {hit.path: lively[hit.path] - hit.score for hit in quiet}
    assert change["web.py"] > change["else.py"] > change["style.py"]


def test_the_limit_holds() -> None:
    assert len(_find(APP, WEB, STYLE, ELSEWHERE, limit=2)) == 2


def test_alone_a_file_is_related_to_nothing() -> None:
    assert _find(APP) == []


def test_a_tied_file_of_another_encoder_is_refused() -> None:
    # So many are nearer that only the commits lead to it.
    nearer = [make_point("server loop", f"near{number}.py") for number in range(CANDIDATES)]
    foreign = replace(STYLE, payload={**STYLE.payload, "encoder_version": "foreign-1"})
    own = [
        replace(p, payload={**p.payload, "encoder_version": "test-1"}) for p in (APP, WEB, *nearer)
    ]
    with pytest.raises(EncoderMismatchError, match="foreign-1 among those of test-1"):
        _find(*own, foreign)
