"""Runs at the same time: of two repositories, of the same one, and what others may see of them."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import TOKEN, open_deployment
from ingestion_pipeline_tests.end_to_end.processes import HAS_PROC, read_all_command_lines
from ingestion_pipeline_tests.end_to_end.samples import CAT, CAT_PATHS
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.servers.git_http import HANG


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """A deployment over the embedded store whose sensor has had its one tick."""
    seldom = {"INGESTION_SENSOR_INTERVAL_SECONDS": "3600"}
    with (
        open_deployment(tmp_path_factory.mktemp("concurrent"), seldom) as deployment,
        open_dagster_dev(deployment) as opened,
    ):
        opened.wait_for_tick(after=0)
        yield opened


@pytest.fixture(autouse=True)
def healthy_git(dev: DagsterDev) -> Iterator[None]:
    """Let go of every hanging fetch, however a test ends."""
    yield
    dev.deployment.git.release()


def wait_for_hanging_fetch(dev: DagsterDev, full_name: str, run_id: str) -> None:
    def look() -> bool:
        assert dev.get_run(run_id).status != "FAILURE", dev.explain(run_id)
        requests = list(dev.deployment.git.requests)
        return any(r.method == "POST" and r.path.startswith(f"/{full_name}.") for r in requests)

    try:
        wait_for(look, f"the fetch of {full_name}")
    except TimeoutError as error:
        raise AssertionError(dev.explain(run_id)) from error


def test_two_repositories_at_once_and_one_run_each(dev: DagsterDev) -> None:
    deployment = dev.deployment
    names = ("octo/left", "octo/right")
    for name in names:
        deployment.add_repository(name, CAT)
    deployment.track(*names)
    deployment.git.misbehaviour = HANG
    runs = {name: dev.launch(name) for name in names}
    for name, run_id in runs.items():
        wait_for_hanging_fetch(dev, name, run_id)
    assert {dev.get_run(run_id).status for run_id in runs.values()} == {"STARTED"}

    output = deployment.materialize("octo/left", exit_code=1)
    assert "Another run or command holds sync:github:" in output
    assert "Wait until it ends, or cancel it, then try again." in output
    assert deployment.read_points("octo/left") == []
    assert dev.get_run(runs["octo/left"]).status == "STARTED"

    deployment.git.release()
    for name, run_id in runs.items():
        dev.wait_for_success(run_id)
        assert deployment.read_paths(name) == CAT_PATHS
        [materialization] = dev.list_materializations(name)
        assert materialization["runId"] == run_id


def test_the_token_is_nowhere_to_be_seen(dev: DagsterDev) -> None:
    deployment = dev.deployment
    deployment.add_repository("octo/vault", CAT)
    deployment.track("octo/vault")
    deployment.git.misbehaviour = HANG
    hanging = dev.launch("octo/vault")
    wait_for_hanging_fetch(dev, "octo/vault", hanging)
    if HAS_PROC:
        lines = read_all_command_lines()
        assert any(b"fetch" in line and b"git" in line for line in lines)
        assert not any(TOKEN.encode() in line for line in lines)
    deployment.git.release()
    dev.wait_for_success(hanging)

    deployment.git.status = 403
    try:
        refused = dev.launch("octo/vault")
        dev.wait_for_run(refused, ("FAILURE",))
    finally:
        deployment.git.status = 0
    sent = {request.authorization for request in deployment.git.requests}
    # In the form that git sends it, the token is as good as in plain text.
    secrets = [TOKEN.encode(), deployment.git.authorization.split()[-1].encode()]
    assert deployment.git.authorization in sent
    files = [path for path in deployment.home.rglob("*") if path.is_file()]
    assert len(files) > 50
    for path in files:
        with suppress(FileNotFoundError):  # SQLite's logs come and go while Dagster is up
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path
    for run_id in (hanging, refused):
        assert TOKEN not in dev.explain(run_id)
