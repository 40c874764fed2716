"""Commands in processes of their own, without ``dagster dev``."""

from pathlib import Path

from ingestion_pipeline_tests.end_to_end.dagster_dev import open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import open_deployment
from ingestion_pipeline_tests.end_to_end.qdrant_faults import UpsertFaultsServer
from ingestion_pipeline_tests.end_to_end.samples import (
    CAT,
    CAT_PATHS,
    LIBRARY_POINTS,
    make_library,
)
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.servers.git_http import HANG


def test_definitions_validate_in_a_folder_with_nothing_but_the_configuration(
    tmp_path: Path,
) -> None:
    with open_deployment(tmp_path) as deployment:
        output = deployment.run("dagster", "definitions", "validate")
        assert "Validation successful" in output


def test_run_killed_while_it_fetches_keeps_nobody_out(tmp_path: Path) -> None:
    with open_deployment(tmp_path) as deployment:
        deployment.add_repository("octo/cat", CAT)
        deployment.git.misbehaviour = HANG
        with deployment.start("ingestion-pipeline", "run", "octo/cat") as process:
            wait_for(
                lambda: any(request.method == "POST" for request in deployment.git.requests),
                "the fetch",
            )
            process.kill()
            process.communicate()
        deployment.git.release()
        # Not "a run is in progress": sync asks Dagster's records, which still say so.
        output = deployment.run("ingestion-pipeline", "sync", "octo/cat")
        assert "in progress" not in output
        assert deployment.read_paths("octo/cat") == CAT_PATHS

        with open_dagster_dev(deployment) as dev:

            def ended() -> list[str] | None:
                statuses = sorted(run.status for run in dev.list_runs("octo/cat"))
                return None if "STARTED" in statuses else statuses

            # A run that counts as started keeps every queued one out of its partition.
            assert wait_for(ended, "run monitoring to notice") == ["FAILURE", "SUCCESS"]


def test_run_killed_while_it_writes_is_made_good_by_the_next(tmp_path: Path) -> None:
    with (
        UpsertFaultsServer(tmp_path / "qdrant") as qdrant,
        open_deployment(tmp_path, {"INGESTION_QDRANT_URL": qdrant.url}) as deployment,
    ):
        repository = deployment.add_repository("octo/library", make_library())
        qdrant.fall_silent_at(2)
        with deployment.start("ingestion-pipeline", "run", "octo/library") as process:
            assert qdrant.fell_silent.wait(90)
            process.kill()
            process.communicate()
        assert 0 < len(deployment.read_points("octo/library")) < LIBRARY_POINTS
        deployment.run("ingestion-pipeline", "run", "octo/library")
        points = deployment.read_points("octo/library")
        assert len(points) == LIBRARY_POINTS
        assert {point.payload["commit_sha"] for point in points} == {repository.head()}
