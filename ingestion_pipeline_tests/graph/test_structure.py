"""Nodes and edges from structures alone, against plain loops and against the whole graph."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.graph import GraphStructure, Relation
from ingestion_pipeline.core.records import FileStructure, References
from ingestion_pipeline.graph import build_graph, build_structure, references
from ingestion_pipeline.graph.facts import make_structure
from ingestion_pipeline_tests.graph.facts_factory import make_file
from ingestion_pipeline_tests.graph.plain_structure import Edges, PlainNames, find_imports
from ingestion_pipeline_tests.graph.test_build_graph import repositories

LANGUAGES = {"py": "python", "ts": "typescript", "js": "javascript", "go": "go", "rs": "rust"}
TARGETS = {
    "py": ["a", "b:f", ".c:g", "src.d", "..a", "src.core.b:*"],
    "ts": ["./a", "./b.js", "../c", "@/core/d", "."],
    "js": ["./a", "./b", "../core/c"],
    "go": ["x.org/src/core", "x.org/src", "fmt"],
    "rs": ["self::a", "super::b", "crate::c::f", "core::a"],
}


def make_random_file(rng: random.Random, ending: str, names: list[str]) -> FileStructure:
    count = rng.randrange(6)
    kinds = [rng.choice(["class", "function", "method"]) for _ in range(count)]

    def refer() -> References:
        pairs = {(rng.randrange(-1, count), rng.choice(names)) for _ in range(rng.randrange(7))}
        ordered = sorted(pairs)
        return References(np.array([o for o, _ in ordered], np.int32), [n for _, n in ordered])

    return FileStructure(
        language=LANGUAGES[ending],
        line_count=1,
        imports=rng.sample(TARGETS[ending], rng.randrange(3)),
        kinds=kinds,
        names=[rng.choice(names) for _ in range(count)],
        parents=np.array([rng.randrange(-1, place) for place in range(count)], np.int32),
        calls=refer(),
        bases=refer(),
    )


def make_random_files(seed: int) -> dict[str, FileStructure]:
    """Return up to 40 files; few names make every stage of the look-up full, many make it empty."""
    rng = random.Random(seed)
    names = [f"name{n}" for n in range(rng.choice([2, 8, 40, 120]))]
    endings = rng.sample(sorted(LANGUAGES), rng.choice([1, 2, 5]))
    folders = ["", "src/", "src/core/", "lib/", "src/core/deep/"]
    paths = {
        f"{rng.choice(folders)}{rng.choice('abcdefg')}.{rng.choice(endings)}"
        for _ in range(rng.randrange(40))
    }
    return {path: make_random_file(rng, path.rpartition(".")[2], names) for path in sorted(paths)}


def name_pairs(structure: GraphStructure, relation: Relation) -> Edges:
    first = structure.first_symbols

    def name(node: int) -> tuple[str, int]:
        if node < len(structure.paths):
            return structure.paths[node], -1
        file = int(structure.files[node])
        return structure.paths[file], node - int(first[file])

    return {(name(a), name(b)) for a, b in structure.edges[relation].T.tolist()}


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32), chunk=st.sampled_from([1, 3, 2_000_000]))
def test_names_mean_what_plain_loops_say(seed: int, chunk: int) -> None:
    files = make_random_files(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "CHUNK_PAIRS", chunk)
        structure = build_structure(files.items())
    plain = PlainNames(files)

    assert name_pairs(structure, Relation.CALLS) == plain.find_calls()
    assert name_pairs(structure, Relation.INHERITS) == plain.find_bases()
    imports = {(path, found) for path, targets in find_imports(files).items() for found in targets}
    assert {(a, b) for (a, _), (b, _) in name_pairs(structure, Relation.IMPORTS)} == imports


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_files_does_not_matter(seed: int) -> None:
    files = make_random_files(seed)
    shuffled = list(files.items())
    random.Random(seed).shuffle(shuffled)
    first, second = build_structure(files.items()), build_structure(iter(shuffled))

    assert list(first.paths) == list(second.paths) == sorted(files)
    assert list(first.directories) == list(second.directories)
    for part in ("types", "files", "first_symbols"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))
    for relation in Relation:
        np.testing.assert_array_equal(first.edges[relation], second.edges[relation])


@settings(deadline=None, max_examples=40)
@given(facts=repositories())
def test_it_is_the_graph_without_its_text(facts: list) -> None:
    graph = build_graph(facts)
    structure = build_structure((file.path, make_structure(file)) for file in facts)

    assert structure.node_count == graph.node_count
    np.testing.assert_array_equal(structure.types, graph.nodes["type"])
    np.testing.assert_array_equal(structure.files, graph.nodes["file"])
    paths = graph.nodes["path"].tolist()
    assert paths[: len(structure.paths)] == list(structure.paths)
    assert paths[structure.first_symbols[-1] :] == list(structure.directories)
    assert (structure.types.dtype, structure.files.dtype) == (np.int8, np.int64)
    for relation in Relation:
        np.testing.assert_array_equal(structure.edges[relation], graph.edges[relation])


def test_first_symbols_count_through_files_without_any() -> None:
    files = [make_file("a.py", "f", "g"), make_file("b.md"), make_file("c.py", "h")]
    structure = build_structure((file.path, make_structure(file)) for file in files)

    assert structure.first_symbols.tolist() == [3, 5, 5, 6]
    assert structure.first_symbols.dtype == np.int64


def test_no_files_give_no_nodes() -> None:
    structure = build_structure([])
    assert structure.node_count == 0
    assert structure.first_symbols.tolist() == [0]
    assert all(edges.shape == (2, 0) for edges in structure.edges.values())


def test_a_path_given_twice_is_refused() -> None:
    file = make_structure(make_file("a.py"))
    with pytest.raises(ValueError, match=r"The path 'a.py' was given twice"):
        build_structure([("a.py", file), ("a.py", file)])


def test_references_that_do_not_pair_up_are_refused() -> None:
    file = make_random_file(random.Random(1), "py", ["f"])
    broken = FileStructure(
        language="python",
        line_count=1,
        imports=(),
        kinds=(),
        names=(),
        parents=file.parents[:0],
        calls=References(np.array([-1, -1], np.int32), ["f"]),
        bases=References(np.zeros(0, np.int32), []),
    )
    with pytest.raises(ValueError, match="other numbers of owners and of names"):
        build_structure([("a.py", broken)])
