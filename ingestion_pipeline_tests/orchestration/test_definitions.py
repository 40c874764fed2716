"""What Dagster loads, held to ``snapshots/definitions.json``: keys, triggers, pools, resources.

After a change that is meant, write the snapshot anew and look at the difference::

    python -m ingestion_pipeline_tests.orchestration.test_definitions
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.orchestration.build import build_definitions

PROJECT_ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).parent / "snapshots" / "definitions.json"
HEAVY = ("torch", "torch_geometric", "matplotlib", "pandas")


def describe_definitions() -> dict[str, Any]:
    """Return everything a person or another program may rely on, as JSON values."""
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    return {
        "assets": {
            key.to_user_string(): describe_asset(graph.get(key), repository.assets_defs_by_key[key])
            for key in sorted(graph.get_all_asset_keys())
        },
        "checks": {key.name: describe_check(graph, key) for key in sorted(graph.asset_check_keys)},
        "jobs": sorted(job.name for job in repository.get_all_jobs()),
        "sensors": {sensor.name: describe_sensor(sensor) for sensor in repository.sensor_defs},
        "schedules": {item.name: describe_schedule(item) for item in repository.schedule_defs},
        "resources": sorted(repository.get_top_level_resources()),
        "executor": describe_executor(definitions.executor),
    }


def describe_executor(executor: object) -> str:
    """Return the name of an executor's definition."""
    assert isinstance(executor, dg.ExecutorDefinition)
    return executor.name


def describe_asset(node: Any, asset: dg.AssetsDefinition) -> dict[str, Any]:
    """Describe an asset and the ops it is made of."""
    partitions = node.partitions_def
    ops = sorted(asset.node_def.iterate_node_defs(), key=lambda op: op.name)
    return {
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "is_described": bool(node.description),
        "has_code_version": bool(node.code_version),
        "partitions": partitions and [type(partitions).__name__, partitions.name],
        "depends_on": sorted(key.to_user_string() for key in node.parent_keys),
        "ops": {
            op.name: {"pool": op.pool, "resources": sorted(op.required_resource_keys)}
            for op in ops
            if isinstance(op, dg.OpDefinition)
        },
    }


def describe_check(graph: Any, key: dg.AssetCheckKey) -> dict[str, Any]:
    """Describe an asset check."""
    spec = graph.get_check_spec(key)
    return {
        "asset": key.asset_key.to_user_string(),
        "blocking": spec.blocking,
        "is_described": bool(spec.description),
    }


def describe_sensor(sensor: dg.SensorDefinition) -> dict[str, Any]:
    """Describe a sensor."""
    return {
        "job": sensor.job_name if sensor.targets else None,
        "interval_seconds": sensor.minimum_interval_seconds,
        "default_status": sensor.default_status.value,
        "resources": sorted(sensor.required_resource_keys),
    }


def describe_schedule(schedule: dg.ScheduleDefinition) -> dict[str, Any]:
    """Describe a schedule."""
    return {
        "job": schedule.job_name,
        "cron": schedule.cron_schedule,
        "timezone": schedule.execution_timezone,
        "default_status": schedule.default_status.value,
    }


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults, whatever the developer has set."""
    for name in [name for name in os.environ if name.startswith(("INGESTION_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INGESTION_HOME", str(tmp_path))


def test_the_definitions_are_those_that_were_looked_at() -> None:
    wanted = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert describe_definitions() == wanted, (
        "if it is meant: python -m ingestion_pipeline_tests.orchestration.test_definitions"
    )


def test_settings_move_the_triggers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTION_SENSOR_INTERVAL_SECONDS", "120")
    monkeypatch.setenv("INGESTION_RECONCILE_CRON", "30 4 * * 1")
    described = describe_definitions()
    assert described["sensors"]["repository_freshness"]["interval_seconds"] == 120
    assert described["schedules"]["nightly_reconciliation"]["cron"] == "30 4 * * 1"


def test_a_time_that_is_no_cron_expression_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTION_RECONCILE_CRON", "at three")
    with pytest.raises(ConfigurationError, match="INGESTION_RECONCILE_CRON"):
        build_definitions()


@pytest.mark.slow
def test_loading_imports_no_heavy_library() -> None:
    code = (
        "import sys, ingestion_pipeline.definitions as loaded\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), type(loaded.defs).__name__)"
    )
    assert start("-c", code).stdout == "[] Definitions\n"


@pytest.mark.slow
def test_dagster_validates_what_the_project_names(tmp_path: Path) -> None:
    """``dagster definitions validate`` as ``make check`` runs it, its records elsewhere."""
    done = start("-m", "dagster", "definitions", "validate", DAGSTER_HOME=str(tmp_path))
    assert "All code locations passed validation" in done.stdout + done.stderr


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project's root; it has to succeed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["INGESTION_HOME"] = folder
        text = json.dumps(describe_definitions(), indent=2) + "\n"
    SNAPSHOT.write_text(text, encoding="utf-8")
