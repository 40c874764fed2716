"""What a cache keeps, and what it lets go."""

import logging
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.cache import ContentCache

MEBIBYTE = 1024 * 1024

numbers = count()


class Calendar:
    """Today is what a test says."""

    def __init__(self) -> None:
        self.day = 20_000

    def __call__(self) -> int:
        return self.day


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ContentCache]:
    opened = ContentCache(tmp_path / "folder" / "cache.db", 64 * MEBIBYTE)
    yield opened
    opened.close()


def make_value(number: int, size: int = 1_000) -> bytes:
    return number.to_bytes(4) * (size // 4)


def test_values_come_back(cache: ContentCache) -> None:
    values = {"a": b"1", "é/\udcff\x00": b"\x00\xff", "": b"", "long" * 1_000: bytes(100_000)}

    cache.put_many(values.items())

    assert cache.get_many([*values, "nowhere"]) == values
    assert cache.find_missing([*values, "nowhere"]) == {"nowhere"}


def test_an_empty_cache_has_nothing(cache: ContentCache) -> None:
    cache.put_many([])
    assert cache.get_many([]) == {}
    assert cache.get_many(["a"]) == {}
    assert cache.find_missing([]) == set()
    assert cache.find_missing(iter(["a", "a"])) == {"a"}


def test_the_newest_value_counts(cache: ContentCache) -> None:
    cache.put_many([("a", b"1"), ("b", b"2"), ("a", b"3")])
    cache.put_many([("b", b"4")])
    assert cache.get_many(["b", "a", "a"]) == {"a": b"3", "b": b"4"}


def test_thousands_of_values(cache: ContentCache) -> None:
    values = {f"key {n}": make_value(n) for n in range(2_345)}
    cache.put_many((key, value) for key, value in values.items())
    assert cache.get_many(list(values)) == values
    assert cache.find_missing([*values, *map(str, range(1_700))]) == set(map(str, range(1_700)))


def test_values_outlive_the_object(tmp_path: Path) -> None:
    first = ContentCache(tmp_path / "cache.db", MEBIBYTE)
    first.put_many([("a", b"1")])
    first.close()
    second = ContentCache(tmp_path / "cache.db", MEBIBYTE)
    assert second.get_many(["a"]) == {"a": b"1"}
    second.close()


def test_a_closed_cache_opens_again(cache: ContentCache) -> None:
    cache.put_many([("a", b"1")])
    cache.close()
    cache.close()
    assert cache.get_many(["a"]) == {"a": b"1"}


def test_two_objects_share_one_file(cache: ContentCache, tmp_path: Path) -> None:
    other = ContentCache(tmp_path / "folder" / "cache.db", 64 * MEBIBYTE)
    cache.put_many([("a", b"1")])
    other.put_many([("b", b"2")])
    assert cache.get_many(["a", "b"]) == other.get_many(["a", "b"]) == {"a": b"1", "b": b"2"}
    other.close()


operations = st.lists(
    st.tuples(st.just("put"), st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=9)))
    | st.tuples(st.sampled_from(["get", "find", "close"]), st.sets(st.sampled_from("abcdefgh"))),
    max_size=12,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=operations)
def test_it_says_what_a_dict_would(tmp_path: Path, steps: list[tuple[str, dict[str, bytes]]]):
    cache = ContentCache(tmp_path / f"{next(numbers)}.db", MEBIBYTE)
    model: dict[str, bytes] = {}
    for what, keys in steps:
        if what == "put":
            cache.put_many(keys.items())
            model |= keys
        elif what == "get":
            assert cache.get_many(keys) == {key: model[key] for key in keys if key in model}
        elif what == "find":
            assert cache.find_missing(keys) == set(keys) - set(model)
        else:
            cache.close()
    cache.close()


def measure(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    today = Calendar()
    cache = ContentCache(tmp_path / "cache.db", 4 * MEBIBYTE, today=today)
    keys = [f"key {n}" for n in range(3_000)]
    cache.put_many((key, make_value(n)) for n, key in enumerate(keys))
    today.day += 1
    read, asked = keys[100:200], keys[300:400]
    cache.get_many(read)
    cache.find_missing(asked)
    today.day += 1

    cache.put_many((f"new {n}", make_value(n)) for n in range(2_500))

    assert cache.find_missing([*read, *asked]) == set()
    assert cache.find_missing([f"new {n}" for n in range(2_500)]) == set()
    gone = cache.find_missing(keys)
    assert len(gone) > 1_500
    assert keys[0] in gone
    assert gone.isdisjoint({*read, *asked})
    cache.close()


def test_it_stays_within_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    cache = ContentCache(path, 4 * MEBIBYTE)
    largest = 0
    for start in range(0, 40_000, 2_000):
        cache.put_many((str(n), make_value(n)) for n in range(start, start + 2_000))
        largest = max(largest, measure(path))
    newest = [str(n) for n in range(38_000, 40_000)]

    assert cache.find_missing(newest) == set()
    # The log holds up to 1,000 pages between two checkpoints, and one transaction beyond.
    assert largest < 16 * MEBIBYTE
    cache.close()
    assert measure(path) < 5 * MEBIBYTE


def test_a_smaller_bound_shrinks_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    cache = ContentCache(path, 64 * MEBIBYTE)
    cache.put_many((str(n), make_value(n)) for n in range(12_000))
    cache.close()
    assert measure(path) > 12 * MEBIBYTE

    smaller = ContentCache(path, 2 * MEBIBYTE)
    smaller.evict()
    smaller.close()

    assert measure(path) < 3 * MEBIBYTE
    again = ContentCache(path, 2 * MEBIBYTE)
    kept = again.get_many([str(n) for n in range(12_000)])
    assert len(kept) > 1_000
    assert kept == {key: make_value(int(key)) for key in kept}
    again.close()


def test_a_value_that_would_push_out_all_others_is_not_kept(
    cache: ContentCache, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cache.put_many([("a", b"1"), ("big", bytes(9 * MEBIBYTE)), ("b", b"2")])
    assert cache.get_many(["a", "big", "b"]) == {"a": b"1", "b": b"2"}
    assert "too large" in caplog.text


def test_reading_writes_once_a_day(tmp_path: Path) -> None:
    today = Calendar()
    path = tmp_path / "cache.db"
    cache = ContentCache(path, MEBIBYTE, today=today)
    cache.put_many((str(n), b"value") for n in range(100))
    keys = [str(n) for n in range(100)]
    log = Path(f"{path}-wal")

    def read() -> bool:
        before = log.read_bytes()
        assert len(cache.get_many(keys)) == 100
        assert cache.find_missing(keys) == set()
        return log.read_bytes() != before

    assert not read()
    today.day += 1
    assert read()
    assert not read()
    cache.close()
