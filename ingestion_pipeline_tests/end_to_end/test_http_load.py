"""Many clients at once, at two served doors over one project; nobody runs what is queued."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice

import dagster as dg
import httpx
import pytest

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.repositories import SourceKind
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.end_to_end.deployment import Deployment, open_deployment
from ingestion_pipeline_tests.end_to_end.processes import end_group
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.postgres import PostgresServer, find_free_port

CLIENTS, RACERS, MOST_QUEUED = 200, 20, 10
NAMES = [f"octo/repository-{number}" for number in range(MOST_QUEUED - 1 + RACERS)]
HEAD = "a" * 40
# In this order alone.
CANCELLATION = ["queued", "cancelling", "cancelled"]


@dataclass(frozen=True, slots=True)
class Doors:
    """Two servers over one project.

    Args:
        services: Of the project.
        instance: Dagster's.
        addresses: ``http://127.0.0.1:…``, of each.
        client: Of the first one.
    """

    services: Services
    instance: dg.DagsterInstance
    addresses: Sequence[str]
    client: httpx.Client

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Sequence[httpx.AsyncClient]]:
        """Yield a client of each door that opens as many connections as are asked of it."""
        limits = httpx.Limits(max_connections=CLIENTS)
        clients = [
            httpx.AsyncClient(base_url=address, timeout=60, trust_env=False, limits=limits)
            for address in self.addresses
        ]
        try:
            yield clients
        finally:
            for client in clients:
                await client.aclose()

    def submit(self, names: Sequence[str]) -> list[str]:
        """Submit one after another; return the jobs' ids."""
        answers = [self.client.post(make_path(name)) for name in names]
        assert [answer.status_code for answer in answers] == [202] * len(names)
        return [answer.json()["job_id"] for answer in answers]

    async def race(self, names: Sequence[str]) -> list[httpx.Response]:
        """Submit all at once, by turns at both doors."""
        async with self.connect() as clients:
            turns = zip(cycle(clients), names, strict=False)
            return await asyncio.gather(*(client.post(make_path(name)) for client, name in turns))

    def list_unended(self) -> list[str]:
        """Return the ids of the jobs that have not ended, in order."""
        return sorted(job.job_id for job in self.services.state.jobs.list_unended())

    def list_queued_runs(self) -> list[str]:
        """Return the ids of the runs in Dagster's queue, in order."""
        queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
        return sorted(run.run_id for run in self.instance.get_runs(queued))

    def cancel_all(self) -> None:
        """End everything that was submitted."""
        for job_id in self.list_unended():
            self.client.post(f"/api/v1/jobs/{job_id}/cancel")
        wait_for(lambda: not self.list_unended(), "all jobs to end")


def make_path(name: str) -> str:
    return f"/api/repositories/{name}/sync"


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Doors]:
    """Two doors over SQLite, then over Postgres."""
    variables: dict[str, str] = {}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        variables["INGESTION_DATABASE_URL"] = server.create_database()
    folder = tmp_path_factory.mktemp(request.param)
    with open_deployment(folder, variables) as deployment, ExitStack() as stack:
        services = stack.enter_context(deployment.open_services())
        track_all(deployment, services)
        instance = stack.enter_context(deployment.open_instance())
        started = [stack.enter_context(serve(deployment)) for _ in range(2)]
        addresses = [address for _, address in started]
        client = httpx.Client(base_url=addresses[0], timeout=60, trust_env=False)
        stack.enter_context(client)
        for process, address in started:
            wait_for(lambda p=process, a=address: answers(client, p, a), "the door to open")
        yield Doors(services, instance, addresses, client)


@pytest.fixture
def doors(both: Doors) -> Iterator[Doors]:
    """Both doors; what a test submits ends with it."""
    yield both
    both.cancel_all()


def track_all(deployment: Deployment, services: Services) -> None:
    """Track as the command line does, without its process a repository."""
    hosts, state, clock = services.hosts, services.state, services.clock
    for name in NAMES:
        deployment.github.add_repository(name, {"main": HEAD})
        track_repository(name, None, hosts, state, clock, SourceKind.GITHUB)


@contextmanager
def serve(deployment: Deployment) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a door; its log goes to a file, because nobody reads a pipe."""
    port = find_free_port()
    command = [deployment.find_program("ingestion-pipeline"), "serve", "--port", str(port)]
    with (deployment.home / f"serve-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=deployment.home,
            env=deployment.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        end_group(process.pid)
        process.wait(timeout=30)


def answers(client: httpx.Client, process: subprocess.Popen[bytes], address: str) -> bool:
    assert process.poll() is None, "The door ended by itself."
    try:
        return client.get(f"{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False


async def poll(
    client: httpx.AsyncClient, job_id: str, name: str, cancelled: asyncio.Event
) -> tuple[str, list[str]]:
    """Look at a job while another client cancels one, and after; return what was said of it."""
    path, said = f"/api/v1/jobs/{job_id}", list[str]()
    for is_after in (False, True):
        if is_after:
            await cancelled.wait()
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        job = answer.json()
        assert (job["job_id"], job["repository"]) == (job_id, name)
        said.append(job["status"])
    same = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    # One that is being cancelled may end between the two questions.
    assert same.status_code == 304 or said[-1] == "cancelling"
    return job_id, said


async def poll_all(doors: Doors, jobs: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Have all clients poll, each one job, while the first job is cancelled."""
    cancelled = asyncio.Event()
    named = zip(jobs, NAMES, strict=False)

    async def cancel(client: httpx.AsyncClient) -> None:
        answer = await client.post(f"/api/v1/jobs/{jobs[0]}/cancel")
        assert answer.status_code == 202, answer.text
        cancelled.set()

    async with doors.connect() as clients, asyncio.TaskGroup() as group:
        turns = zip(cycle(clients), islice(cycle(list(named)), CLIENTS), strict=False)
        tasks = [group.create_task(poll(client, *job, cancelled)) for client, job in turns]
        group.create_task(cancel(clients[1]))
    return [task.result() for task in tasks]


def test_many_who_poll_are_told_the_truth(doors: Doors) -> None:
    jobs = doors.submit(NAMES[:MOST_QUEUED])
    seen = asyncio.run(poll_all(doors, jobs))

    assert len(seen) == CLIENTS
    for job_id, said in seen:
        if job_id == jobs[0]:
            assert said == sorted(said, key=CANCELLATION.index), "back from a later state"
            assert said[-1] != "queued", "the cancellation had been answered"
        else:
            assert said == ["queued"] * 2
    wait_for(lambda: doors.list_queued_runs() == sorted(jobs[1:]), "one run for each other job")


def test_of_all_who_race_for_a_repository_one_is_accepted(doors: Doors) -> None:
    answers = asyncio.run(doors.race([NAMES[0]] * RACERS))

    accepted = [answer.json()["job_id"] for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert (len(accepted), len(refused)) == (1, RACERS - 1)
    assert {answer.json()["job_id"] for answer in refused} == set(accepted)
    assert doors.list_unended() == accepted
    wait_for(lambda: doors.list_queued_runs() == accepted, "its run to be queued, once")


def test_of_all_who_race_for_the_last_place_one_is_accepted(doors: Doors) -> None:
    before = doors.submit(NAMES[: MOST_QUEUED - 1])
    answers = asyncio.run(doors.race(NAMES[MOST_QUEUED - 1 :]))

    accepted = [answer.json()["job_id"] for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(accepted), len(refused)) == (1, RACERS - 1)
    for answer in refused:
        assert "Retry-After" in answer.headers
        body = answer.json()
        assert (body["queue_size"], body["max_queue_size"]) == (MOST_QUEUED, MOST_QUEUED)
    queued = sorted(before + accepted)
    assert doors.list_unended() == queued, "nothing of the refused is stored"
    wait_for(lambda: doors.list_queued_runs() == queued, "one run for each job, and no other")
