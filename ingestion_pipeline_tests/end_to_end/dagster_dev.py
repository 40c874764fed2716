"""``dagster dev`` as a process group, steered over HTTP as the UI does it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ingestion_pipeline_tests.end_to_end import graphql
from ingestion_pipeline_tests.end_to_end.deployment import Deployment, open_deployment
from ingestion_pipeline_tests.end_to_end.processes import end_group
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.postgres import find_free_port

PARTITION_TAG = "dagster/partition"
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
_PID = re.compile(r"pid: (\d+)")


@dataclass(frozen=True, slots=True)
class Run:
    """A run as GraphQL describes it.

    Args:
        run_id: Its id.
        status: ``QUEUED``, ``STARTED``, ``SUCCESS`` …
        root_run_id: The run that this one is another try of, None for a first one.
        tags: Tags.
        steps: Step key → status, for the steps that began.
    """

    run_id: str
    status: str
    root_run_id: str | None
    tags: dict[str, str]
    steps: dict[str, str] = field(default_factory=dict[str, str])


class DagsterDev:
    """Webserver, daemon, code server and runs.

    Args:
        deployment: Where it runs.
        process: Leader of the process group.
        port: Of the webserver.
        log_path: What it printed.
    """

    def __init__(
        self, deployment: Deployment, process: subprocess.Popen[bytes], port: int, log_path: Path
    ) -> None:
        self.deployment = deployment
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._log_path = log_path
        self._client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def close(self) -> None:
        """Kill the whole group."""
        self._client.close()
        end_group(self.process.pid)
        self.process.wait(timeout=30)

    def interrupt(self) -> None:
        """Do what Ctrl-C in a terminal does: SIGINT to every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def read_output(self) -> str:
        """Return what was printed so far."""
        return self._log_path.read_text(errors="replace")

    # -- GraphQL

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the one field asked for.

        Raises:
            AssertionError: GraphQL itself refused the query.
        """
        body = {"query": query, "variables": variables}
        answer = self._client.post("/graphql", json=body).json()
        assert "errors" not in answer, answer
        [value] = answer["data"].values()
        return value

    def wait_until_loaded(self) -> None:
        """Wait until the code location is there."""
        wait_for(self._is_loaded, f"dagster dev to load; it printed: {self._log_path}")

    def launch(self, partition: str) -> str:
        """Materialize one partition as the UI does; return the run's id."""
        key = {"path": ["repository_points"]}
        answer = self.ask(
            graphql.LAUNCH,
            parameters={
                "selector": {
                    "repositoryLocationName": "ingestion_pipeline",
                    "repositoryName": "__repository__",
                    "pipelineName": "__ASSET_JOB",
                    "assetSelection": [key],
                },
                "mode": "default",
                "executionMetadata": {"tags": [{"key": PARTITION_TAG, "value": partition}]},
            },
        )
        return _get_launched(answer)

    def reexecute(self, run_id: str) -> str:
        """Launch a failed run again from the step that failed; return the new run's id."""
        return _get_launched(self.ask(graphql.REEXECUTE, runId=run_id))

    def terminate(self, run_id: str) -> None:
        """End a run as the UI does."""
        answer = self.ask(graphql.TERMINATE, runId=run_id)
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def get_run(self, run_id: str) -> Run:
        """Return one run."""
        return _parse_run(self.ask(graphql.RUN, runId=run_id))

    def list_runs(self, partition: str) -> list[Run]:
        """Return the runs of a partition, newest first."""
        tags = [{"key": PARTITION_TAG, "value": partition}]
        return [_parse_run(row) for row in self.ask(graphql.RUNS, filter={"tags": tags})["results"]]

    def wait_for_run(self, run_id: str, statuses: Sequence[str] | frozenset[str] = ENDED) -> Run:
        """Wait until a run has one of the statuses."""

        def look() -> Run | None:
            run = self.get_run(run_id)
            assert run.status in statuses or run.status not in ENDED, self.explain(run_id)
            return run if run.status in statuses else None

        return wait_for(look, f"run {run_id} to be {'/'.join(statuses)}")

    def wait_for_success(self, run_id: str) -> Run:
        """Wait for the end of a run that has to succeed."""
        return self.wait_for_run(run_id, ("SUCCESS",))

    def wait_for_runs(self, partition: str, count: int) -> list[Run]:
        """Wait until a partition has this many runs that all ended; newest first."""

        def look() -> list[Run] | None:
            runs = self.list_runs(partition)
            ended = all(run.status in ENDED for run in runs)
            return runs if len(runs) >= count and ended else None

        return wait_for(look, f"{count} runs of {partition} to end")

    def get_run_pid(self, run_id: str) -> int:
        """Wait until a run executes its steps and return its process."""

        def look() -> int | None:
            messages = (str(event.get("message")) for event in self.list_events(run_id))
            return next((int(m[1]) for text in messages if (m := _PID.search(text))), None)

        return wait_for(look, f"run {run_id} to have a process")

    def list_events(self, run_id: str) -> list[dict[str, Any]]:
        """Return the event log of a run."""
        return self.ask(graphql.EVENTS, runId=run_id)["events"]

    def explain(self, run_id: str) -> str:
        """Return the messages and errors of a run, for a failed test's report."""
        lines = [f"{self.get_run(run_id)}"]
        lines += [f"{e.get('message')} {e.get('error') or ''}" for e in self.list_events(run_id)]
        return "\n".join(lines)

    def list_materializations(self, partition: str) -> list[dict[str, Any]]:
        """Return the materializations of a partition, newest first."""
        answer = self.ask(graphql.MATERIALIZATIONS, partitions=[partition])
        return answer["assetMaterializations"]

    def get_sensor(self) -> dict[str, Any]:
        """Return the freshness sensor's state with its newest ticks."""
        return self.ask(graphql.SENSOR)["sensorState"]

    def stop_sensor(self) -> None:
        """Switch the freshness sensor off and wait until no tick of it is under way."""
        sensor = self.ask(graphql.SENSOR)
        answer = self.ask(graphql.STOP_SENSOR, id=sensor["id"])
        assert answer["__typename"] == "StopSensorMutationResult", answer
        wait_for(self._is_sensor_quiet, "the last tick of the freshness sensor to end")

    def start_sensor(self) -> None:
        """Switch the freshness sensor on."""
        answer = self.ask(graphql.START_SENSOR)
        assert answer["__typename"] == "Sensor", answer

    def wait_for_tick(self, after: float) -> dict[str, Any]:
        """Wait for the first tick of the sensor that began after a moment and has ended."""

        def look() -> dict[str, Any] | None:
            ticks = self.get_sensor()["ticks"]
            later = [t for t in ticks if t["timestamp"] > after and t["status"] != "STARTED"]
            return later[-1] if later else None

        return wait_for(look, "a tick of the freshness sensor")

    def _is_sensor_quiet(self) -> bool:
        return all(tick["status"] != "STARTED" for tick in self.get_sensor()["ticks"])

    def _is_loaded(self) -> bool:
        assert self.process.poll() is None, self.read_output()
        try:
            answer = self.ask(graphql.LOCATIONS)
        except (httpx.TransportError, ValueError):
            return False
        entries = answer["locationEntries"]
        for entry in entries:
            found = entry["locationOrLoadError"]
            assert found is None or found["__typename"] != "PythonError", found
        return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)


@contextmanager
def open_dagster_dev(
    deployment: Deployment, command: Sequence[str] = ("dagster", "dev")
) -> Iterator[DagsterDev]:
    """Start ``dagster dev``, or what starts it, in the home and kill all of it at the end."""
    port = find_free_port()
    log_path = deployment.home / "dagster-dev.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                *(deployment.find_program(command[0]), *command[1:]),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            cwd=deployment.home,
            env=deployment.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    dev = DagsterDev(deployment, process, port, log_path)
    try:
        dev.wait_until_loaded()
        yield dev
    finally:
        dev.close()


@contextmanager
def open_quiet_dagster(folder: Path, variables: Mapping[str, str]) -> Iterator[DagsterDev]:
    """Yield a deployment whose sensor is off, so that every run is one that a test asked for."""
    with open_deployment(folder, variables) as deployment, open_dagster_dev(deployment) as dev:
        dev.wait_for_tick(after=0)
        dev.stop_sensor()
        yield dev


def _get_launched(answer: dict[str, Any]) -> str:
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]


def _parse_run(row: dict[str, Any]) -> Run:
    assert "runId" in row, row
    tags = {tag["key"]: tag["value"] for tag in row["tags"]}
    steps = {step["stepKey"]: step["status"] for step in row["stepStats"]}
    return Run(row["runId"], row["status"], row["rootRunId"], tags, steps)
