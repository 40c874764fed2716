"""A Qdrant server that times out, refuses or dies in the middle of a run, and the run's retries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from tenacity import wait_none

from ingestion_pipeline.composition import Services, open_services
from ingestion_pipeline.orchestration.build import build_definitions
from ingestion_pipeline.orchestration.freshness_check import sync_partitions
from ingestion_pipeline.orchestration.jobs import SYNC_JOB_NAME
from ingestion_pipeline.points.qdrant_retry import ATTEMPTS
from ingestion_pipeline.points.qdrant_store import QdrantPointStore
from ingestion_pipeline_tests.faults.installation import Installation, assert_right
from ingestion_pipeline_tests.faults.scene import Scene
from ingestion_pipeline_tests.faults.steps import track
from ingestion_pipeline_tests.servers.qdrant_rest import QdrantRestServer

UPSERT = "PUT /collections/code_"
DELETE = "/points/delete"
CLIENT_SECONDS = 0.5

Order = Callable[[QdrantRestServer], object]


@dataclass
class Served:
    """An index on a server; every test moves it from one commit to the other.

    Args:
        installation: Its home.
        server: Where the points are.
        instance: Dagster's.
        scene: The repository.
        head: The commit that is indexed.
    """

    installation: Installation
    server: QdrantRestServer
    instance: dg.DagsterInstance
    scene: Scene
    head: str = ""

    @contextmanager
    def open(self) -> Iterator[Services]:
        """Open what a run opens; its calls are tried again without a wait."""
        with open_services(self.installation.settings) as services:
            services.make_store = lambda _settings: QdrantPointStore(
                self.server.url,
                timeout_seconds=CLIENT_SECONDS,
                wait=wait_none(),
                sleep=lambda _seconds: None,
            )
            yield services

    def run(self) -> dg.ExecuteInProcessResult:
        """Run the partition through Dagster, all four ops and their retries."""
        with self.open() as services:
            row = track(services, str(self.installation.origin))
            sync_partitions(services, self.instance)
        return (
            build_definitions(self.open)
            .resolve_job_def(SYNC_JOB_NAME)
            .execute_in_process(
                instance=self.instance,
                partition_key=row.partition_key,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        )

    def show_other(self) -> None:
        """Push to the commit that is not indexed."""
        self.head = self.scene.first if self.head == self.scene.second else self.scene.second
        self.scene.expect(self.head)

    def assert_right(self) -> None:
        """Assert that the store is that of a clean index of the head."""
        with self.open() as services:
            assert_right(services, self.scene.expect(self.head))


@pytest.fixture(scope="module")
def served(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with (
        QdrantRestServer(folder / "qdrant") as server,
        dg.DagsterInstance.ephemeral() as instance,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("INGESTION_HOME", str(folder))
        made = Served(scene.install(folder), server, instance, scene)
        made.show_other()
        assert made.run().success
        yield made


def count_retries(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.is_step_restarted for event in result.all_events)


@pytest.mark.parametrize(
    ("order", "retries"),
    [
        (lambda server: server.answer_next(ATTEMPTS, status=503, on=UPSERT), 1),
        (lambda server: server.answer_next(2, status=429, retry_after="1", on=DELETE), 0),
        (lambda server: server.answer_next(2 * ATTEMPTS, status=429, on=DELETE), 2),
        (lambda server: server.stay_silent_next(1, on=DELETE, after_effect=True), 0),
        (lambda server: server.lose_answer_next(ATTEMPTS, on=UPSERT), 1),
    ],
)
def test_what_passes_is_waited_for(served: Served, order: Order, retries: int) -> None:
    served.show_other()
    order(served.server)
    result = served.run()
    assert result.success
    assert count_retries(result) == retries
    served.assert_right()


@pytest.mark.parametrize(("place", "goes_back"), [(UPSERT, False), (DELETE, False), (DELETE, True)])
def test_a_server_that_dies(served: Served, place: str, goes_back: bool) -> None:
    """Between upsert and delete too; the next run goes on, though the push was taken back."""
    served.show_other()
    served.server.die_at(place)
    result = served.run()
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.error_display_string
    assert "Look whether it runs and has room" in told
    served.server.revive()
    if goes_back:
        served.show_other()
    assert served.run().success
    served.assert_right()


def test_a_server_that_comes_back_empty(served: Served, tmp_path: Path) -> None:
    """Its disk was lost in the middle of the run, and every point has to be written again."""
    served.show_other()
    served.server.die_at(DELETE)
    assert not served.run().success
    served.server.revive()
    with served.open() as services:
        services.store.drop_collection(services.collection.name)
    assert served.run().success
    served.assert_right()
