"""Words per span, against counting them one by one."""

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.terms import hash_term, split_text
from ingestion_pipeline.parse.term_counts import TermCounter, blank_spans, count_text

WORD = re.compile(rb"[A-Za-z_\x80-\xff][0-9A-Za-z_\x80-\xff]*")
pieces = ["ab", "cd", "_", "7", "12", " ", "\n", "(", "é", "\u3000", "X", "x" * 201, "ab_cd", "Ab7"]
texts = st.lists(st.sampled_from(pieces), max_size=20).map("".join)


def count_one_by_one(source: bytes, start: int, end: int) -> dict[int, int]:
    """Count the words that start in a span, wherever they end."""
    words = (m[0] for m in WORD.finditer(source) if start <= m.start() < end and len(m[0]) <= 200)
    terms = (term for word in words for term in split_text(word.decode("utf-8", "replace")))
    return Counter(map(hash_term, terms))


@given(texts, st.data())
def test_a_word_belongs_to_the_span_it_starts_in(text: str, data: st.DataObject):
    source = text.encode()
    places = st.integers(0, len(source))
    spans = data.draw(st.lists(st.tuples(places, places).map(sorted), max_size=4))

    counter = TermCounter(source, [cut for span in spans for cut in span])

    for start, end in spans:
        assert counter.count(start, end) == count_one_by_one(source, start, end)
    assert counter.count_all() == count_one_by_one(source, 0, len(source))
    assert count_text(text) == counter.count_all()


def test_blanked_spans_keep_positions():
    assert blank_spans(b"ab /* c */ d", [(3, 10)]) == b"ab         d"
