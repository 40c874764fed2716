"""The freshness sensor as it runs for a newcomer: by itself, in ``dagster dev``."""

import time
from collections.abc import Iterator

import pytest

from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import open_deployment
from ingestion_pipeline_tests.end_to_end.samples import CAT, CAT_PATHS
from ingestion_pipeline_tests.end_to_end.waiting import wait_for

EARLY = "octo/early"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """A deployment in which one repository was materialized before ``dagster dev`` started."""
    with open_deployment(tmp_path_factory.mktemp("sensor")) as deployment:
        deployment.add_repository(EARLY, CAT)
        deployment.track(EARLY)
        deployment.materialize(EARLY)
        with open_dagster_dev(deployment) as opened:
            yield opened


def test_what_the_command_materialized_is_seen_and_not_run_again(dev: DagsterDev) -> None:
    assert dev.deployment.read_paths(EARLY) == CAT_PATHS
    dev.wait_for_tick(after=time.time())
    [materialization] = dev.list_materializations(EARLY)
    [run] = dev.list_runs(EARLY)
    assert materialization["runId"] == run.run_id
    labels = {entry["label"] for entry in materialization["metadataEntries"]}
    assert {"head", "pushed_at", "files", "points", "languages", "code_map"} <= labels


def test_tracked_repositories_are_indexed_and_pushes_followed(dev: DagsterDev) -> None:
    deployment = dev.deployment
    deployment.add_repository("octo/cat", CAT)
    deployment.track("octo/cat")
    [first] = dev.wait_for_runs("octo/cat", 1)
    assert first.status == "SUCCESS", dev.explain(first.run_id)
    assert first.tags["dagster/sensor_name"] == "repository_freshness"
    assert first.tags["ingestion/reason"] == "never indexed"
    found = deployment.run("ingestion-pipeline", "search", "meow", "loudly", "--repo", "octo/cat")
    assert "src/voice.py:6  meow_loudly" in found

    deployment.push("octo/cat", {"src/voice.py": None, "src/ears.py": "def listen():\n    pass\n"})
    second = dev.wait_for_runs("octo/cat", 2)[0]
    assert second.status == "SUCCESS", dev.explain(second.run_id)
    assert "main moved from" in second.tags["ingestion/reason"]
    found = deployment.run("ingestion-pipeline", "search", "meow", "loudly", "--repo", "octo/cat")
    assert "voice.py" not in found
    assert "src/ears.py" in found


def test_pushes_that_move_no_tracked_branch_start_no_run(dev: DagsterDev) -> None:
    deployment = dev.deployment
    repository = deployment.add_repository("octo/dog", CAT)
    deployment.track("octo/dog")
    [first] = dev.wait_for_runs("octo/dog", 1)
    assert first.status == "SUCCESS", dev.explain(first.run_id)

    repository.create_branch("side")
    side = repository.commit({"bark.py": "def bark():\n    pass\n"}, branch="side")
    deployment.github.push("octo/dog", "side", side)
    pushed_at = deployment.github.push_pull_request("octo/dog")

    def is_remembered() -> bool:
        with deployment.open_services() as services:
            row = services.state.find_repository("octo/dog")
            return row is not None and row.pushed_at_seen == pushed_at

    wait_for(is_remembered, "the sensor to remember the push")
    tick = dev.wait_for_tick(after=time.time())
    assert tick["status"] == "SKIPPED", tick
    assert dev.list_runs("octo/dog") == [first]
