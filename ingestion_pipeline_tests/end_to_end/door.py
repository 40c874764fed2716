"""The served HTTP door, asked as clients ask it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from ingestion_pipeline_tests.end_to_end.deployment import Deployment
from ingestion_pipeline_tests.end_to_end.services import Service
from ingestion_pipeline_tests.end_to_end.waiting import PATIENCE_SECONDS, wait_for
from ingestion_pipeline_tests.postgres import find_free_port

TOKEN = "sesame-of-the-test"
ENDED = frozenset({"completed", "failed", "cancelled", "skipped"})
DISPATCH = "/api/v1/ingestion/ingest"


class Door(Service):
    """``ingestion-pipeline serve``, which can be killed and started again."""

    def __init__(self, deployment: Deployment) -> None:
        port = find_free_port()
        super().__init__(deployment, "ingestion-pipeline", "serve", "--port", str(port))
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            timeout=60,
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        wait_for(self._answers, "the door to open")

    def close(self) -> None:
        """Kill it for good."""
        self.kill()
        self.client.close()

    def track(self, name: str, **options: Any) -> None:
        """Track a repository that is not tracked."""
        answer = self.client.post("/api/v1/repositories", json={"url": name, **options})
        assert answer.status_code == 201, answer.text

    # -- jobs

    def submit(self, name: str, **options: Any) -> httpx.Response:
        """Ask for a sync of a tracked repository."""
        return self.client.post(f"/api/repositories/{name}/sync", json=options)

    def accept(self, name: str, **options: Any) -> str:
        """Ask for a sync that has to be accepted; return the job's id."""
        answer = self.submit(name, **options)
        assert answer.status_code == 202, answer.text
        return answer.json()["job_id"]

    def read(self, job_id: str) -> Mapping[str, Any]:
        """Return a job."""
        return self.get(f"/api/v1/jobs/{job_id}")

    def wait_for_status(self, job_id: str, status: str) -> None:
        """Wait until a job has a status that it does not only pass through."""
        wait_for(lambda: self.read(job_id)["status"] == status, f"job {job_id} to be {status}")

    def wait_for_end(self, job_id: str, *, seconds: float = PATIENCE_SECONDS) -> Mapping[str, Any]:
        """Wait until a job has ended and return it."""

        def look() -> Mapping[str, Any] | None:
            job = self.read(job_id)
            return job if job["status"] in ENDED else None

        return wait_for(look, f"job {job_id} to end", seconds=seconds)

    def sync(self, name: str, **options: Any) -> Mapping[str, Any]:
        """Sync a tracked repository, which has to end well; return the job."""
        job = self.wait_for_end(self.accept(name, **options))
        assert job["status"] == "completed", job
        return job

    def follow(self, job_id: str) -> list[dict[str, Any]]:
        """Return a job's server-sent events up to its end, each with its ``event`` and ``data``."""
        events: list[dict[str, Any]] = []
        with self.client.stream("GET", f"/api/v1/jobs/{job_id}/events") as answer:
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    events.append({"event": value})
                elif name == "data":
                    events[-1]["data"] = json.loads(value)
        return events

    # -- what is told

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the body of what has to be answered with 200."""
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def read_worker(self) -> str:
        """Return what the worker is at."""
        return self.get("/api/v1/ingestion/worker/status")["status"]

    def wait_for_worker(self, status: str) -> None:
        """Wait until the worker is at something."""
        wait_for(lambda: self.read_worker() == status, f"the worker's status to be {status}")

    def read_history(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest lines of the history."""
        return self.get("/api/v1/ingestion/jobs/history", limit=limit)["jobs"]

    def read_address(self, name: str) -> str:
        """Return a repository's address as the documents write it."""
        return self.get(f"/api/v1/repositories/{name}")["web_url"].partition("://")[2]

    def _answers(self) -> bool:
        self.check_alive()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def open_door(deployment: Deployment) -> Iterator[Door]:
    """Serve until the context ends."""
    door = Door(deployment)
    try:
        door.start()
        yield door
    finally:
        door.close()
