"""kill -9 of each process behind the HTTP door: no job is lost, and none is run twice."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import Deployment, open_deployment
from ingestion_pipeline_tests.end_to_end.door import TOKEN, open_door
from ingestion_pipeline_tests.end_to_end.samples import CAT
from ingestion_pipeline_tests.end_to_end.services import Service
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.servers.git_http import HANG
from ingestion_pipeline_tests.servers.webhook_receiver import WebhookReceiver

SIGNING_SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0wMTIzNDU2Nzg5"
TOLERANCE_SECONDS = 10
NEW: dict[str, str] = {"src/new.py": "def begin():\n    pass\n"}


class Site:
    """Webserver, daemon and door, each a service of its own, over repositories to sync.

    The freshness sensor is off, so that every run is one that a test asked for.
    """

    def __init__(self, deployment: Deployment, opened: ExitStack) -> None:
        self.deployment = deployment
        self._opened = opened
        self.webserver = self._open_webserver()
        self.webserver.stop_sensor()
        self.daemon = Service(deployment, "dagster-daemon", "run", "-w", "workspace.yaml")
        opened.callback(self.daemon.kill)
        self.daemon.start()
        self.door = opened.enter_context(open_door(deployment))
        self.door.wait_for_worker("Idle")

    def restart_webserver(self) -> None:
        """Kill the webserver and start another one."""
        self.webserver.close()
        self.webserver = self._open_webserver()

    def add(self, *names: str) -> None:
        """Track repositories and have them indexed, and then push something to each."""
        for name in names:
            self.deployment.add_repository(name, CAT)
            self.door.track(name)
        for job_id in [self.door.accept(name) for name in names]:
            assert self.door.wait_for_end(job_id)["status"] == "completed"
        for name in names:
            self.deployment.push(name, NEW)

    def hold(self, *names: str, **options: str) -> list[str]:
        """Sync repositories of which two come to their fetch, and no further; return the jobs."""
        self.deployment.git.misbehaviour = HANG
        self.deployment.git.requests.clear()
        job_ids = [self.door.accept(name, **options) for name in names]
        wait_for(lambda: self._count_hanging() == 2, "two runs to fetch")
        return job_ids

    def _count_hanging(self) -> int:
        requests = list(self.deployment.git.requests)
        return len({request.path for request in requests if request.method == "POST"})

    def _open_webserver(self) -> DagsterDev:
        command = ("dagster-webserver", "-w", "workspace.yaml")
        return self._opened.enter_context(open_dagster_dev(self.deployment, command))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("crashes")
    variables = {
        "DAGSTER_HOME": str(folder / "home"),
        "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE": str(TOLERANCE_SECONDS),
        "INGESTION_ADMIN_TOKEN": TOKEN,
        "INGESTION_WEBHOOK_SIGNING_SECRET": SIGNING_SECRET,
        "INGESTION_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    with open_deployment(folder, variables) as deployment, ExitStack() as opened:
        yield Site(deployment, opened)


@pytest.fixture(autouse=True)
def healthy_git(site: Site) -> Iterator[None]:
    """Let go of every hanging fetch, however a test ends."""
    yield
    site.deployment.git.release()


def read_runs(site: Site, name: str, job_id: str) -> list[str]:
    """Return how the runs of a job ended, the first try first."""
    runs = reversed(site.webserver.list_runs(name))
    return [run.status for run in runs if run.tags.get("ingestion/job_id") == job_id]


# It waits for a heartbeat to be missed, for lost runs to be noticed and for their other tries.
@pytest.mark.timeout(480)
def test_no_crash_loses_a_job_or_runs_it_twice(site: Site) -> None:
    names = ("octo/one", "octo/two", "octo/three")
    site.add(*names)
    job_ids = site.hold(*names)

    site.door.kill()
    site.restart_webserver()
    site.door.start()
    assert [site.door.read(job_id)["status"] for job_id in job_ids] == [
        *("running", "running", "queued")
    ]
    site.daemon.kill()  # with its code server and the two runs, as when a machine goes down
    site.deployment.git.release()
    site.door.wait_for_worker("Offline")
    site.daemon.start()
    # Run monitoring has to miss the runs first, and Dagster to queue them again.
    ended = [site.door.wait_for_end(job_id, seconds=240) for job_id in job_ids]
    assert [job["status"] for job in ended] == ["completed"] * 3

    found = [read_runs(site, name, job_id) for name, job_id in zip(names, job_ids, strict=True)]
    assert found == [["FAILURE", "SUCCESS"], ["FAILURE", "SUCCESS"], ["SUCCESS"]]
    for name in names:
        [branch] = site.door.get(f"/api/v1/repositories/{name}")["branches"]
        assert branch["head"] == site.deployment.repositories[name].head()
        assert site.deployment.read_paths(name) == {*CAT, *NEW}


def test_ends_that_the_door_did_not_see_are_told(site: Site) -> None:
    well, ill, ended_early = names = ("octo/well", "octo/ill", "octo/early")
    site.add(*names)
    with WebhookReceiver() as receiver:
        job_ids = site.hold(well, ill, ended_early, progress_webhook=receiver.url)
        site.door.kill()
        site.webserver.terminate(job_ids[2])
        shutil.rmtree(site.deployment.repositories[ill].path)
        site.deployment.git.release()
        wait_for(lambda: count_pending(site.deployment) == 3, "the sensors to note three ends")
        assert receiver.seen == []
        site.door.start()
        wait_for(lambda: len(receiver.seen) == 3, "three webhooks")
        ends = [site.door.read(job_id)["status"] for job_id in job_ids]
    assert ends == ["completed", "failed", "cancelled"]
    told = [Webhook(SIGNING_SECRET).verify(seen.body, dict(seen.headers)) for seen in receiver.seen]
    assert {(body["data"]["job_id"], body["type"]) for body in told} == {
        (job_id, f"sync.{end}") for job_id, end in zip(job_ids, ends, strict=True)
    }


def count_pending(deployment: Deployment) -> int:
    with deployment.open_services() as services:
        return services.state.read_totals([1.0]).deliveries_pending
