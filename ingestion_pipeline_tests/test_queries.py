"""Which collection and which encoder answer a query, also while a roll-out switches."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import (
    EncoderMismatchError,
    EncoderWeightsError,
    InvalidQueryError,
)
from ingestion_pipeline.core.points import (
    CollectionSpec,
    Point,
    PointFilter,
    ScoredPoint,
    StoredPoint,
    make_point_id,
)
from ingestion_pipeline.core.repositories import SourceId, SourceKind
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.embed.sparse import make_query_sparse
from ingestion_pipeline.queries import find_by_words, find_like
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore

SOURCE = SourceId(SourceKind.GITHUB, "1")
ALIAS, OLD, NEW = "code", "code_hashbag-1", "code_codegraph-1"


def _make_point(services: Services, path: str, version: str, says: str = "") -> Point:
    vector = services.load_encoder(version).encode_text(path)
    payload = {
        "source": str(SOURCE),
        "repo": "octo/cat",
        "branch": "main",
        "path": path,
        "kind": "file",
        "symbol": "",
        "encoder_version": says or version,
    }
    dense = tuple(float(value) for value in vector)
    return Point(make_point_id(SOURCE, "main", path), dense, make_query_sparse(path), payload)


class SwitchingStore(FakePointStore):
    """A roll-out ends while the first query looks something up."""

    is_due = False

    def scroll(
        self,
        collection: str,
        where: PointFilter,
        *,
        with_vectors: bool = False,
        batch_size: int = 1000,
    ) -> Iterator[StoredPoint]:
        self._switch()
        yield from super().scroll(
            collection, where, with_vectors=with_vectors, batch_size=batch_size
        )

    def search_dense(
        self, collection: str, vector: Sequence[float], where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        self._switch()
        return super().search_dense(collection, vector, where, limit)

    def _switch(self) -> None:
        if self.is_due:
            self.is_due = False
            self.set_alias(ALIAS, NEW)
            self.drop_collection(OLD)


@pytest.fixture
def store() -> SwitchingStore:
    return SwitchingStore([CollectionSpec(name, ENCODER_DIM) for name in (OLD, NEW)])


@pytest.fixture
def services(tmp_path: Path, store: SwitchingStore) -> Services:
    made = Services(
        Settings(home=tmp_path),
        make_state=lambda _settings: FakeStateStore(),
        make_store=lambda _settings: store,
    )
    for collection, version in ((OLD, "hashbag-1"), (NEW, "codegraph-1")):
        paths = ("purr.py", "voice.py")
        store.upsert(collection, [_make_point(made, path, version) for path in paths])
    store.set_alias(ALIAS, OLD)
    return made


def test_the_encoder_of_the_serving_collection_makes_the_query(
    services: Services, store: SwitchingStore
) -> None:
    for collection in (OLD, NEW):
        store.set_alias(ALIAS, collection)
        assert find_by_words(services, "purr")[0].path == "purr.py"
        assert [hit.path for hit in find_like(services, "purr.py")] == ["voice.py"]


def test_a_switch_during_a_query_is_asked_again(services: Services, store: SwitchingStore) -> None:
    store.is_due = True
    assert find_by_words(services, "purr")[0].path == "purr.py"
    assert store.find_alias(ALIAS) == NEW


def test_a_query_that_failed_for_a_switch_is_asked_again(
    services: Services, store: SwitchingStore
) -> None:
    store.is_due = True
    assert [hit.path for hit in find_like(services, "purr.py")] == ["voice.py"]
    with pytest.raises(InvalidQueryError):
        find_like(services, "none.py")


def test_points_of_another_encoder_are_refused(services: Services, store: SwitchingStore) -> None:
    store.upsert(OLD, [_make_point(services, "loud.py", "hashbag-1", "foreign-1")])
    for ask, words in ((find_by_words, "loud"), (find_like, "loud.py"), (find_like, "purr.py")):
        with pytest.raises(EncoderMismatchError, match="sync octo/cat --full-reindex"):
            ask(services, words)


def test_an_encoder_that_is_gone_is_named(services: Services, store: SwitchingStore) -> None:
    store.ensure_collection(CollectionSpec("code_lost-1", ENCODER_DIM))
    store.set_alias(ALIAS, "code_lost-1")
    with pytest.raises(EncoderWeightsError, match="lost-1"):
        find_by_words(services, "purr")
