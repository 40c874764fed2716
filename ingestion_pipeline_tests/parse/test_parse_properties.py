"""What must hold for any bytes, and for real code that was cut, shuffled and glued together."""

import pickle
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.code import FileFacts, SkippedFile, SourceFile
from ingestion_pipeline.parse import get_path_hint
from ingestion_pipeline.parse.files import parse_file, parse_files

SAMPLES = Path(__file__).parent / "samples"
PATHS = sorted(path.name.removesuffix(".txt") for path in SAMPLES.glob("*.txt"))
LINES = [line for path in SAMPLES.glob("*.txt") for line in path.read_bytes().splitlines()]
MARKS = [
    b"(",
    b")",
    b"{",
    b"}",
    b"[",
    b'"',
    b"'",
    b"/*",
    b"*/",
    b"#",
    b"\0",
    b"\xff",
    b"\r",
    b"\x0c",
]

mixed_code = st.builds(
    lambda pieces, glue: glue.join(pieces),
    st.lists(st.sampled_from(LINES) | st.sampled_from(MARKS) | st.binary(max_size=6), max_size=40),
    st.sampled_from([b"\n", b"\r\n", b" ", b""]),
)
source_files = st.builds(
    SourceFile,
    path=st.sampled_from(PATHS) | st.text(max_size=12),
    blob_sha=st.just("0" * 40),
    content=mixed_code | st.binary(max_size=300) | st.text(max_size=200).map(str.encode),
)
any_file = settings(max_examples=150, deadline=None)


@any_file
@given(source_files)
def test_any_bytes_give_sound_facts_or_a_reason_that_is_no_failure(file: SourceFile):
    result = parse_file(file)

    if isinstance(result, SkippedFile):
        assert result.reason in ("binary", "empty", "long lines")
        return
    keys = [symbol.key for symbol in result.symbols]
    assert len(set(keys)) == len(keys)
    for index, symbol in enumerate(result.symbols):
        assert 1 <= symbol.start_line <= symbol.end_line <= result.line_count
        assert -1 <= symbol.parent < index
        assert symbol.name
        assert len(symbol.signature) <= 500
        assert len(symbol.docstring) <= 2_000
    starts = [symbol.start_line for symbol in result.symbols]
    assert starts == sorted(starts)
    for reference in (*result.calls, *result.bases):
        assert -1 <= reference.symbol < len(result.symbols)
        assert reference.name
    assert len(set(result.imports)) == len(result.imports)
    assert all(result.imports)


@any_file
@given(source_files)
def test_a_symbol_has_no_more_of_a_word_than_its_file(file: SourceFile):
    result = parse_file(file)

    if isinstance(result, FileFacts):
        for symbol in result.symbols:
            for term, count in symbol.body_terms.items():
                assert 0 < count <= result.body_terms[term]


@settings(max_examples=40, deadline=None)
@given(st.lists(source_files, max_size=4))
def test_facts_depend_on_the_file_alone(files: list[SourceFile]):
    together = list(parse_files(files))

    assert together == [parse_file(file) for file in files]
    assert together == list(reversed(list(parse_files(reversed(files)))))
    assert pickle.loads(pickle.dumps(together)) == together


# Pairs that share a hint are rare among random names, so names are drawn from a few of each kind.
names = st.sampled_from(
    "a.py b.PY x/c.pyi a.h inc/B.H a.tsx b.ts c.mts Gemfile x/rakefile .profile a.sh README readme "
    "docs/LICENSE tool bin/run a.txt b.rst a.yml b.json c.unknown a.md b.MDX .gitignore x.tar.py "
    "a. .h Makefile py a.b/c news.d/1".split()
)


@settings(max_examples=300, deadline=None)
@given(names | st.text(max_size=12), names | st.text(max_size=12), mixed_code)
def test_two_paths_with_one_hint_have_the_same_facts(first: str, second: str, content: bytes):
    one, other = (parse_file(SourceFile(path, "", content)) for path in (first, second))

    if get_path_hint(first) == get_path_hint(second):
        assert replace(one, path="") == replace(other, path="")


def test_names_that_share_a_hint_and_names_that_do_not():
    def same(first: str, second: str) -> bool:
        return get_path_hint(first) == get_path_hint(second)

    assert same("a/b.py", "C.PYI")
    assert same("a.yml", "a.json")
    assert same("README", "docs/license")
    assert not same("README", "tool")
    assert not same("a.h", "a.c")
    assert not same("a.txt", "a.yml")
    assert not same("a.ts", "a.tsx")
