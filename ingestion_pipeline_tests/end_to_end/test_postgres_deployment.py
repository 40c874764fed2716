"""One variable puts our state and Dagster's records into one Postgres."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from ingestion_pipeline.state.migrate import check_state
from ingestion_pipeline_tests.end_to_end.dagster_dev import open_dagster_dev
from ingestion_pipeline_tests.end_to_end.deployment import open_deployment
from ingestion_pipeline_tests.end_to_end.samples import CAT, CAT_PATHS
from ingestion_pipeline_tests.postgres import PostgresServer


@pytest.mark.postgres
def test_state_and_dagster_share_one_database(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = postgres_server.create_database()
    variables = {"INGESTION_DATABASE_URL": url, "INGESTION_SENSOR_INTERVAL_SECONDS": "3600"}
    with open_deployment(tmp_path, variables) as deployment:
        deployment.add_repository("octo/cat", CAT)
        with open_dagster_dev(deployment) as dev:
            dev.wait_for_tick(after=0)
            deployment.track("octo/cat")
            run_id = dev.launch("octo/cat")
            dev.wait_for_success(run_id)
            assert postgres_server.password not in dev.explain(run_id)
        assert deployment.read_paths("octo/cat") == CAT_PATHS
        assert {path.parent.name for path in deployment.home.rglob("*.db")} <= {"cache"}
        assert check_state(url) == [], "Dagster's tables are not to be taken for ours"

        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        try:
            tables = set(inspect(engine).get_table_names())
            assert {"tracked_repositories", "document_states", "ingestion_history"} <= tables
            assert {"runs", "event_logs", "instigators"} <= tables
            with engine.connect() as connection:
                [stored] = connection.execute(text("SELECT run_id FROM runs")).scalars()
                history = connection.execute(text("SELECT run_id FROM ingestion_history"))
                assert [stored] == [run_id] == list(history.scalars())
        finally:
            engine.dispose()
