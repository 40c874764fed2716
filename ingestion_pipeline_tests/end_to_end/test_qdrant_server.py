"""Runs against a Qdrant server that refuses, and runs that are killed while they write."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion_pipeline_tests.end_to_end.comparing import assert_same_points
from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import open_deployment
from ingestion_pipeline_tests.end_to_end.qdrant_faults import UpsertFaultsServer
from ingestion_pipeline_tests.end_to_end.samples import CAT, CAT_PATHS, make_library

UPSERT = "repository_points.upsert_points"
AFTER_UPSERT = {
    UPSERT,
    "repository_points_points_match_state",
    "repository_points_points_match_tree",
    "repository_points_pushed_at_matches_materialization",
    "repository_points_vectors_are_unit_length",
}


@pytest.fixture(scope="module")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpsertFaultsServer]:
    with UpsertFaultsServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture(scope="module")
def dev(
    tmp_path_factory: pytest.TempPathFactory, qdrant: UpsertFaultsServer
) -> Iterator[DagsterDev]:
    variables = {
        "INGESTION_QDRANT_URL": qdrant.url,
        "INGESTION_SENSOR_INTERVAL_SECONDS": "3600",
    }
    with (
        open_deployment(tmp_path_factory.mktemp("served"), variables) as deployment,
        open_dagster_dev(deployment) as opened,
    ):
        opened.wait_for_tick(after=0)
        yield opened


def test_reexecution_goes_on_from_the_op_that_failed(
    dev: DagsterDev, qdrant: UpsertFaultsServer
) -> None:
    deployment = dev.deployment
    deployment.add_repository("octo/cat", CAT)
    deployment.track("octo/cat")
    qdrant.refuses_upserts = True
    failed = dev.launch("octo/cat")
    run = dev.wait_for_run(failed, ("FAILURE",))
    assert run.steps[UPSERT] == "FAILURE"
    assert "refused the request (400)" in dev.explain(failed)
    assert deployment.read_points("octo/cat") == []

    qdrant.refuses_upserts = False
    again = dev.wait_for_success(dev.reexecute(failed))
    assert again.root_run_id == failed
    assert again.steps == dict.fromkeys(AFTER_UPSERT, "SUCCESS")
    assert deployment.read_paths("octo/cat") == CAT_PATHS


def test_a_run_killed_while_it_writes_is_made_good(
    dev: DagsterDev, qdrant: UpsertFaultsServer, tmp_path: Path
) -> None:
    deployment = dev.deployment
    deployment.add_repository("octo/library", make_library())
    deployment.track("octo/library")
    qdrant.fall_silent_at(2)
    killed = dev.launch("octo/library")
    pid = dev.get_run_pid(killed)
    assert qdrant.fell_silent.wait(90), dev.explain(killed)
    os.kill(pid, signal.SIGKILL)

    dev.wait_for_run(killed, ("FAILURE",))
    retried = dev.wait_for_runs("octo/library", 2)[0]
    assert retried.status == "SUCCESS", dev.explain(retried.run_id)
    assert retried.root_run_id == killed
    assert set(retried.steps) == AFTER_UPSERT

    clean = deployment.make_neighbour(tmp_path / "clean", {})
    clean.run("ingestion-pipeline", "run", "octo/library")
    assert_same_points(deployment.read_points("octo/library"), clean.read_points("octo/library"))
