"""What the served store does when the server refuses, fails, stays silent or is something else."""

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenacity import wait_fixed

from ingestion_pipeline.core.errors import (
    AuthenticationError,
    ConfigurationError,
    PermanentError,
    PointStoreUnavailableError,
    StoreMismatchError,
)
from ingestion_pipeline.points.qdrant_retry import DEFAULT_WAIT, LONGEST_RETRY_AFTER_SECONDS
from ingestion_pipeline.points.qdrant_store import QdrantPointStore
from ingestion_pipeline_tests.points.stores.samples import (
    EVERYTHING,
    make_id,
    make_point,
    make_spec,
    words,
)
from ingestion_pipeline_tests.servers.qdrant_rest import QdrantRestServer

CODE = "code_test-1"
ATTEMPTS = 4
WAIT_SECONDS = 0.25
KEY = "s3cret-qdrant-key"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantRestServer]:
    with QdrantRestServer(tmp_path / "qdrant") as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the store would have waited, in order."""
    return []


@pytest.fixture
def store(server: QdrantRestServer, waits: list[float]) -> Iterator[QdrantPointStore]:
    opened = open_store(server, waits)
    opened.ensure_collection(make_spec(CODE))
    yield opened
    opened.close()


def open_store(
    server: QdrantRestServer, waits: list[float], *, api_key: str | None = None
) -> QdrantPointStore:
    return QdrantPointStore(
        server.url,
        api_key,
        timeout_seconds=1,
        attempts=ATTEMPTS,
        wait=wait_fixed(WAIT_SECONDS),
        sleep=waits.append,
    )


# -- worth another try


def test_429_waits_as_long_as_the_server_asks(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float]
) -> None:
    server.answer_next(1, status=429, retry_after="7", on="/points")
    store.upsert(CODE, [make_point(1)])
    assert waits == [7.0]
    assert store.count(CODE, EVERYTHING) == 1


def test_an_absurd_retry_after_is_cut(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float]
) -> None:
    server.answer_next(1, status=429, retry_after="86400")
    assert store.count(CODE, EVERYTHING) == 0
    assert waits == [LONGEST_RETRY_AFTER_SECONDS]


@pytest.mark.parametrize("retry_after", [None, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_429_without_seconds_waits_as_usual(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float], retry_after: str | None
) -> None:
    server.answer_next(2, status=429, retry_after=retry_after)
    assert store.count(CODE, EVERYTHING) == 0
    assert waits == [WAIT_SECONDS] * 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_server_is_asked_again(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float], status: int
) -> None:
    server.answer_next(3, status=status, on="/points")
    store.upsert(CODE, [make_point(1)])
    assert waits == [WAIT_SECONDS] * 3
    assert store.count(CODE, EVERYTHING) == 1


def test_a_server_that_keeps_failing_ends_in_a_transient_error(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float]
) -> None:
    server.answer_next(100, status=503, on="/points/count")
    with pytest.raises(PointStoreUnavailableError, match=r"4 attempts: status 503") as caught:
        store.count(CODE, EVERYTHING)
    assert server.url in str(caught.value)
    assert server.count_requests("POST", "/points/count") == ATTEMPTS
    assert len(waits) == ATTEMPTS - 1


def test_429_for_ever_ends_in_a_transient_error(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float]
) -> None:
    server.answer_next(100, status=429, retry_after="1")
    with pytest.raises(PointStoreUnavailableError, match="told to answer 429"):
        store.list_collections()
    assert waits == [1.0] * (ATTEMPTS - 1)


def test_a_time_out_is_tried_again(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float]
) -> None:
    server.stay_silent_next(1, on="/points/count")
    assert store.count(CODE, EVERYTHING) == 0
    assert waits == [WAIT_SECONDS]


def test_a_dropped_connection_is_tried_again(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float]
) -> None:
    server.drop_next(2, on="/points/query")
    assert store.search_sparse(CODE, words(1), EVERYTHING, 5) == []
    assert waits == [WAIT_SECONDS] * 2


def test_a_write_whose_answer_got_lost_is_repeated_without_harm(
    store: QdrantPointStore, server: QdrantRestServer
) -> None:
    server.lose_answer_next(1, on="/points")
    store.upsert(CODE, [make_point(1), make_point(2)])
    server.lose_answer_next(1, on="/points/delete")
    store.delete(CODE, [make_id(1)])
    assert [point.id for point in store.scroll(CODE, EVERYTHING)] == [make_id(2)]


def test_a_creation_whose_answer_got_lost_is_found_done(
    store: QdrantPointStore, server: QdrantRestServer
) -> None:
    server.answer_next(1, status=404, on="/collections/code_other")
    server.lose_answer_next(1, on="/collections/code_other")
    store.ensure_collection(make_spec("code_other"))
    assert server.count_requests("PUT", "/code_other") == 2
    assert store.list_collections() == ["code_other", CODE]


def test_a_server_that_dies_between_upsert_and_delete_keeps_the_upsert(
    store: QdrantPointStore, server: QdrantRestServer
) -> None:
    server.die_at("/points/delete")
    store.upsert(CODE, [make_point(1), make_point(2)])
    with pytest.raises(PointStoreUnavailableError):
        store.delete(CODE, [make_id(1)])
    with pytest.raises(PointStoreUnavailableError):
        store.count(CODE, EVERYTHING)
    server.revive()
    assert store.count(CODE, EVERYTHING) == 2
    store.delete(CODE, [make_id(1)])
    assert store.count(CODE, EVERYTHING) == 1


def test_a_server_that_is_not_there_ends_in_a_transient_error(
    tmp_path: Path, waits: list[float]
) -> None:
    with QdrantRestServer(tmp_path) as gone:
        store = open_store(gone, waits)
    with pytest.raises(PointStoreUnavailableError, match="ConnectError"):
        store.count(CODE, EVERYTHING)
    assert waits == [WAIT_SECONDS] * (ATTEMPTS - 1)
    store.close()


def test_the_usual_wait_grows_with_jitter_up_to_a_cap() -> None:
    class State:
        attempt_number = 1

    drawn = []
    for State.attempt_number in (1, 3, 50):
        drawn.append([DEFAULT_WAIT(State()) for _ in range(200)])  # pyright: ignore[reportArgumentType]
    first, third, late = drawn
    assert min(first) >= 0
    assert max(first) <= 1
    assert 1 < max(third) <= 4
    assert 4 < max(late) <= 30
    assert len(set(late)) > 100


# -- not worth another try


def test_a_refused_request_is_not_repeated(
    store: QdrantPointStore, server: QdrantRestServer, waits: list[float]
) -> None:
    with pytest.raises(StoreMismatchError, match="expected dim: 4, got 2"):
        store.upsert(CODE, [make_point(1, dense=(1.0, 0.0))])
    server.answer_next(1, status=400, on="/points/count")
    with pytest.raises(PermanentError, match=r"refused the request \(400\): told to answer 400"):
        store.count(CODE, EVERYTHING)
    assert server.count_requests("PUT", "/points") == 1
    assert server.count_requests("POST", "/points/count") == 1
    assert waits == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_the_setting_and_not_the_key(
    tmp_path: Path, waits: list[float], status: int
) -> None:
    with QdrantRestServer(tmp_path, api_key="another") as server:
        server.answer_next(1, status=status)
        store = open_store(server, waits, api_key=KEY)
        for _ in range(2):  # the answer of Qdrant's API, then the plain text of its gate
            with pytest.raises(AuthenticationError, match="INGESTION_QDRANT_API_KEY") as caught:
                store.upsert(CODE, [make_point(1)])
            assert KEY not in "".join(traceback.format_exception(caught.value))
            assert caught.value.__cause__ is caught.value.__context__ is None
        assert len(server.requests) == 2
        store.close()
    assert waits == []


def test_the_right_key_opens(tmp_path: Path, waits: list[float]) -> None:
    with QdrantRestServer(tmp_path, api_key=KEY) as server:
        store = open_store(server, waits, api_key=KEY)
        store.ensure_collection(make_spec(CODE))
        assert store.list_collections() == [CODE]
        store.close()


def test_errors_of_the_network_do_not_carry_the_key(tmp_path: Path, waits: list[float]) -> None:
    with QdrantRestServer(tmp_path) as gone:
        store = open_store(gone, waits, api_key=KEY)
    with pytest.raises(PointStoreUnavailableError) as caught:
        store.list_collections()
    assert KEY not in "".join(traceback.format_exception(caught.value))
    # httpx's error would carry its request, and the request the header.
    assert caught.value.__cause__ is caught.value.__context__ is None
    store.close()


@pytest.mark.parametrize("key", ["line\nbreak", "blank inside", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    with pytest.raises(ConfigurationError, match="INGESTION_QDRANT_API_KEY") as caught:
        QdrantPointStore("http://127.0.0.1:1", key)
    assert key not in str(caught.value)


def test_a_store_without_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="INGESTION_QDRANT_URL"):
        QdrantPointStore()


@pytest.mark.parametrize(
    ("status", "content"),
    [(404, b"<html>no such page</html>"), (404, b'{"detail": "Not Found"}'), (200, b"<html>hi")],
)
def test_something_else_at_the_address_is_not_an_empty_store(
    store: QdrantPointStore, server: QdrantRestServer, status: int, content: bytes
) -> None:
    server.answer_raw_next(1, status=status, content=content)
    with pytest.raises(ConfigurationError, match="INGESTION_QDRANT_URL"):
        store.count(CODE, EVERYTHING)


def test_the_address_is_shown_without_password(server: QdrantRestServer) -> None:
    url = server.url.replace("http://", "http://user:hidden@")
    server.answer_next(1, status=400)
    store = QdrantPointStore(url)
    with pytest.raises(PermanentError) as caught:
        store.list_collections()
    assert "hidden" not in str(caught.value)
    assert server.url in str(caught.value)
    store.close()
