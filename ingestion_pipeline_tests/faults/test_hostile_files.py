"""Files that hang or crash the parser cost themselves alone."""

from pathlib import Path

from ingestion_pipeline_tests.faults.hostile_files import (
    DEADLY,
    HANGING,
    parse_in_hostile_workers,
)
from ingestion_pipeline_tests.faults.installation import Installation
from ingestion_pipeline_tests.faults.scene import Scene


def read_errors(installation: Installation) -> dict[str, str]:
    """Return path → why it has no points."""
    with installation.open() as services:
        [row] = services.state.list_repositories()
        documents = services.state.list_documents(row.source, "main").values()
        return {doc.document_id: doc.error for doc in documents if doc.error}


def suffer(name: str, part: object) -> object:
    return parse_in_hostile_workers if name == "parser" else part


def test_all_others_are_indexed_and_the_next_push_tries_again(scene: Scene, tmp_path: Path) -> None:
    without = scene.expect(scene.second)
    scene.git.commit({"src/hang.py": HANGING, "lib/die.py": DEADLY})
    installation = scene.install(tmp_path)

    result = installation.sync(replace=suffer)

    assert read_errors(installation) == {
        "src/hang.py": "parser failed: TimeoutError",
        "lib/die.py": "parser failed: WorkerDied",
    }
    assert result.embedded.parsed.skipped == {"parser failed": 2}
    installation.assert_right(without)

    head = scene.git.commit({"README.md": "# Cat\n\nPushed once more.\n"})
    installation.sync()
    assert read_errors(installation) == {}
    installation.assert_right(scene.expect(head))


def test_a_file_that_becomes_hostile_loses_its_points(scene: Scene, tmp_path: Path) -> None:
    installation = scene.install_indexed(tmp_path, scene.second)
    without = scene.expect(scene.git.commit({"src/hunt.go": None}))
    scene.show(scene.second)
    head = scene.git.commit({"src/hunt.go": DEADLY})

    installation.sync(replace=suffer)

    assert read_errors(installation) == {"src/hunt.go": "parser failed: WorkerDied"}
    installation.assert_right(without)

    installation.sync(replace=suffer)  # nothing has changed, and nothing is tried
    installation.assert_right(without)
    with installation.open() as services:
        [row] = services.state.list_repositories()
        assert [branch.head_sha for branch in services.state.list_branches(row.source)] == [head]
