"""Ids never collide and never change."""

from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.points import make_point_id
from ingestion_pipeline.core.repositories import SourceId, SourceKind

PARTS = st.tuples(
    st.sampled_from(SourceKind), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8),
    st.text(max_size=8),
)  # fmt: skip


def make_id(parts: tuple[SourceKind, str, str, str, str]) -> str:
    kind, stable_id, branch, document, symbol = parts
    return make_point_id(SourceId(kind, stable_id), branch, document, symbol)


@given(PARTS, PARTS)
def test_two_places_share_an_id_only_when_they_are_the_same(
    one: tuple[SourceKind, str, str, str, str], other: tuple[SourceKind, str, str, str, str]
) -> None:
    assert (make_id(one) == make_id(other)) == (one == other)


def test_an_id_is_what_it_was_when_the_first_index_was_written() -> None:
    source = SourceId(SourceKind.GITHUB, "1296269")
    assert make_point_id(source, "main", "src/app.py", "App.run") == (
        "0650ad4a-7df5-5568-9559-c2d3193886e5"
    )
