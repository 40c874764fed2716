"""One partition and one backfill launched in Dagster's UI; screenshots in artifacts/screenshots."""

from collections.abc import Iterator

import pytest

from ingestion_pipeline_tests.end_to_end.dagster_dev import DagsterDev, open_dagster_dev
from ingestion_pipeline_tests.end_to_end.dagster_ui import DagsterUi, find_chromium, open_ui
from ingestion_pipeline_tests.end_to_end.deployment import ROOT, open_deployment
from ingestion_pipeline_tests.end_to_end.samples import CAT, read_own_package

pytestmark = pytest.mark.browser
SCREENSHOTS = ROOT / "artifacts" / "screenshots"
LARGE, SMALL = "octo/pipeline", ("octo/cat", "octo/dog")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """A deployment whose sensor is off, so that every run is one that a person launched."""
    with (
        open_deployment(tmp_path_factory.mktemp("browser")) as deployment,
        open_dagster_dev(deployment) as opened,
    ):
        opened.wait_for_tick(after=0)
        opened.stop_sensor()
        deployment.add_repository(LARGE, read_own_package())
        for name in SMALL:
            deployment.add_repository(name, CAT)
        deployment.track(LARGE, *SMALL)
        yield opened


@pytest.fixture(scope="module")
def ui(dev: DagsterDev, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterUi]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not here; on Debian: apt-get install chromium")
    with open_ui(dev.url, tmp_path_factory.mktemp("profile"), SCREENSHOTS, chromium) as opened:
        yield opened


def test_one_partition(ui: DagsterUi, dev: DagsterDev) -> None:
    ui.open("/assets/repository_points", "Latest materialization")
    ui.wait_for_text("The points of one tracked repository in Qdrant")
    ui.screenshot("asset-overview")
    ui.materialize(LARGE)
    [run] = dev.wait_for_runs(LARGE, 1)
    assert run.status == "SUCCESS", dev.explain(run.run_id)

    ui.open_partition(LARGE, "Materialized")
    ui.wait_for_text("points_added")
    ui.screenshot("partition-metadata")
    ui.page.get_by_text("[Show Markdown]").click()
    picture = ui.page.get_by_alt_text("code map")
    picture.wait_for()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 900
    ui.screenshot("code-map")

    ui.open("/assets/repository_points?view=checks", "points_match_state")
    ui.wait_for_text("Passed")
    ui.wait_for_text("as it should be.")
    ui.screenshot("checks")
    ui.open(f"/runs/{run.run_id}", "upsert_points")
    ui.wait_for_text("Success")
    ui.screenshot("run")


def test_one_backfill(ui: DagsterUi, dev: DagsterDev) -> None:
    ui.materialize(*SMALL)
    for name in SMALL:
        [run] = dev.wait_for_runs(name, 1)
        assert run.status == "SUCCESS", dev.explain(run.run_id)
    ui.open("/runs", "octo/")
    ui.page.locator("a[href*='/runs/b/']").first.click()
    ui.wait_for_text("Succeeded")
    ui.wait_for_text("100% completed")
    ui.screenshot("backfill")
    ui.open("/asset-groups", "repository_points")
    ui.wait_for_text("Asset checks")
    ui.screenshot("asset-graph")


def test_the_sensor_explains_itself(ui: DagsterUi, dev: DagsterDev) -> None:
    ui.open("/locations/ingestion_pipeline/sensors/repository_freshness", "Asks the hosts")
    ui.wait_for_text("0 runs requested")
    ui.screenshot("sensor")
    [tick, *_] = dev.get_sensor()["ticks"]
    assert tick["skipReason"].startswith("Nothing is tracked yet.")


def test_another_encoder_shows_as_stale(ui: DagsterUi, dev: DagsterDev) -> None:
    dev.deployment.run("ingestion-pipeline", "encoder", "use", "hashbag-1")
    ui.open("/asset-groups", "repository_points")
    ui.page.get_by_role("button", name="Reload definitions").click()
    ui.wait_for_text("Definitions reloaded")
    ui.open_partition(SMALL[0], "Unsynced")
    ui.screenshot("encoder-stale")
