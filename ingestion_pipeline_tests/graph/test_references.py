"""Calls and inheritance: which definition a name means."""

from ingestion_pipeline.core.code import FileFacts
from ingestion_pipeline.core.graph import Relation
from ingestion_pipeline.graph import build_graph
from ingestion_pipeline_tests.graph.facts_factory import make_file, name_edges


def calls_of(*files: FileFacts) -> set[tuple[str, str]]:
    return name_edges(build_graph(files), Relation.CALLS)


def inherits_of(*files: FileFacts) -> set[tuple[str, str]]:
    return name_edges(build_graph(files), Relation.INHERITS)


RUN_LOADS = [("run", "load")]


def test_the_same_file_comes_first() -> None:
    assert calls_of(
        make_file("d/a.py", "run", "load", imports=["other"], calls=RUN_LOADS),
        make_file("other.py", "load"),
        make_file("d/b.py", "load"),
    ) == {("d/a.py::run", "d/a.py::load")}


def test_then_what_the_file_imports() -> None:
    assert calls_of(
        make_file("d/a.py", "run", imports=["other"], calls=RUN_LOADS),
        make_file("other.py", "load"),
        make_file("d/b.py", "load"),
    ) == {("d/a.py::run", "other.py::load")}


def test_then_the_same_folder() -> None:
    assert calls_of(
        make_file("d/a.go", "run", calls=RUN_LOADS),
        make_file("d/b.go", "load"),
        make_file("e/c.go", "load"),
    ) == {("d/a.go::run", "d/b.go::load")}


def test_then_anywhere_for_up_to_three() -> None:
    files = [make_file(f"{folder}/x.py", "load") for folder in "xyz"]
    caller = make_file("d/a.py", "run", calls=RUN_LOADS)

    assert len(calls_of(caller, *files)) == 3
    assert calls_of(caller, *files, make_file("w/x.py", "load")) == set()


def test_three_files_with_more_than_three_definitions_are_too_many() -> None:
    files = [make_file(f"{folder}/x.py", "A", "A.load", "B", "B.load") for folder in "xy"]
    assert calls_of(make_file("d/a.py", "run", calls=RUN_LOADS), *files) == set()


def test_at_most_four_targets_in_order_of_the_nodes() -> None:
    classes = [part for letter in "ABCDEF" for part in (letter, f"{letter}.load")]
    assert calls_of(make_file("a.py", "run", *classes, calls=RUN_LOADS)) == {
        ("a.py::run", f"a.py::{letter}.load") for letter in "ABCD"
    }


def test_many_imports_and_many_definitions_agree() -> None:
    imported = [make_file(f"m{n}/mod{n}.py", "load") for n in range(6)]
    others = [make_file(f"o{n}/other{n}.py", "load") for n in range(20)]
    targets = [f"mod{n}" for n in range(6)]
    expected = {("a.py::run", f"m{n}/mod{n}.py::load") for n in range(4)}

    few_definitions = calls_of(
        make_file("a.py", "run", imports=targets, calls=RUN_LOADS), *imported[:4]
    )
    many_definitions = calls_of(
        make_file("a.py", "run", imports=targets, calls=RUN_LOADS), *imported, *others
    )

    assert few_definitions == expected
    assert many_definitions == expected


def test_the_top_level_of_a_file_calls_too() -> None:
    assert calls_of(make_file("a.py", "load", calls=[("", "load")])) == {("a.py", "a.py::load")}


def test_recursion_is_no_edge_and_repetition_is_one() -> None:
    graph = build_graph([make_file("a.py", "f", "g", calls=[("f", "f"), ("f", "g"), ("f", "g")])])
    assert name_edges(graph, Relation.CALLS) == {("a.py::f", "a.py::g")}
    assert graph.edges[Relation.CALLS].shape == (2, 1)


def test_languages_do_not_call_each_other_but_families_do() -> None:
    caller = make_file("a.ts", "run", calls=RUN_LOADS)
    assert calls_of(caller, make_file("b.py", "load")) == set()
    assert calls_of(caller, make_file("b.js", "load")) == {("a.ts::run", "b.js::load")}


def test_a_class_may_be_called() -> None:
    assert calls_of(make_file("a.py", "run", "Store", calls=[("run", "Store")])) == {
        ("a.py::run", "a.py::Store")
    }


def test_inheritance_finds_classes_only() -> None:
    assert inherits_of(
        make_file("a.py", "Child", bases=[("Child", "Base"), ("", "Base")]),
        make_file("b.py", "Base"),
        make_file("c.py", "f", bases=[("f", "load")]),
        make_file("d.py", "load"),
    ) == {("a.py::Child", "b.py::Base")}


def test_a_class_of_the_same_name_elsewhere_is_a_base() -> None:
    assert inherits_of(
        make_file("a.py", "Store", imports=["core"], bases=[("Store", "Base")]),
        make_file("core.py", "Base"),
        make_file("z.py", "Base"),
    ) == {("a.py::Store", "core.py::Base")}
