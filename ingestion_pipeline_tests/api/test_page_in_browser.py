"""The page in headless Chromium, with and without script; pictures in artifacts/screenshots."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster import DagsterRunStatus as Status
from playwright.sync_api import Browser, Page, Request, sync_playwright

from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, SyncProgress, SyncRecord, SyncStatus
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline_tests.end_to_end.dagster_ui import ARGUMENTS, find_chromium
from ingestion_pipeline_tests.fakes.code_host import make_hosted, make_sha
from ingestion_pipeline_tests.orchestration.world import KEY, World

pytestmark = pytest.mark.browser
SCREENSHOTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
SCREENS: Sequence[tuple[str, dict[str, Any]]] = [
    ("light", {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}),
    ("dark", {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}),
    ("phone", {"viewport": {"width": 360, "height": 780}, "color_scheme": "light"}),
]
PATHS = [("overview", "/"), ("search", "/?q=purr+loud"), ("refused", "/?q=")]
SECOND = 1000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not here; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def open_page(
    browser: Browser, client: httpx.Client, *, refused: str = "", **options: Any
) -> Iterator[Page]:
    """Yield a page that its own policy keeps from nothing, and that asks nobody else.

    ``refused`` is the only status other than 200 that the browser may complain of.
    """
    base = str(client.base_url)
    asked: list[str] = []
    said: list[str] = []
    context = browser.new_context(base_url=base, **options)
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        assert asked
        assert [url for url in asked if not url.startswith(base)] == []
        complaint = f"Failed to load resource: the server responded with a status of {refused} "
        assert [text for text in said if not refused or not text.startswith(complaint)] == []
    finally:
        context.close()


def index(world: World, instance: dg.DagsterInstance) -> None:
    """Sync; in a thread, as Playwright's event loop runs in this one and Dagster starts its own."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(world.sync, instance).result().success


def set_progress(world: World, done: int, current: str = "src/purr.py") -> None:
    now = world.clock.now()
    percentage = 100 * done // 6300
    progress = SyncProgress("at-work", KEY, "parse", done, 6300, current, now, percentage)
    world.state.set_progress(progress)


def start_run(world: World, instance: dg.DagsterInstance) -> None:
    tags = {PARTITION_TAG: KEY}
    run = dg.DagsterRun("sync_repository", run_id="at-work", status=Status.STARTED, tags=tags)
    instance.run_storage.add_run(run)
    set_progress(world, 1200)


def open_with_still_clock(page: Page) -> None:
    """Open the page; its timers go off only when a test moves the clock on."""
    page.clock.install(time=0)
    page.clock.pause_at(SECOND)
    page.goto("/")


def is_fragment(request: Request) -> bool:
    return request.url.endswith("/fragments/activity")


def test_without_script_a_search_works(
    browser: Browser, client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    index(world, instance)
    with open_page(browser, client, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_label("Search code").fill("purr times")
        page.get_by_label("Kind").select_option("function")
        page.get_by_role("button", name="Search").click()
        hits = page.get_by_role("region", name="Results").get_by_role("listitem")
        assert hits.first.get_by_role("heading").inner_text() == "src/purr.py:4 purr"
        assert "def purr(times):" in hits.first.inner_text()
        assert page.get_by_label("Search code").input_value() == "purr times"
        assert page.get_by_label("Kind").input_value() == "function"


def test_progress_moves_while_one_looks(
    browser: Browser, client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    start_run(world, instance)
    with open_page(browser, client) as page:
        open_with_still_clock(page)
        bar = page.get_by_role("progressbar", name=f"Sync of {KEY}")
        assert bar.get_attribute("value") == "19"

        set_progress(world, 4200, "src/voice.py")
        page.clock.run_for(SECOND)

        page.get_by_text("4,200 of 6,300 src/voice.py").wait_for()
        assert bar.get_attribute("value") == "66"

        world.state.remove_progress("at-work")
        instance.delete_run("at-work")
        world.state.record_sync(
            SyncRecord(KEY, world.row.source, "at-work", SyncStatus.COMPLETE, world.clock.now(), 1)
        )
        page.clock.run_for(SECOND)

        page.get_by_text("Nothing runs.").wait_for()
        assert bar.count() == 0
        history = page.get_by_role("region", name="History")
        assert "complete" in history.get_by_role("listitem").inner_text()


def test_it_asks_seldom_when_nothing_runs_and_never_when_nobody_looks(
    browser: Browser, client: httpx.Client
) -> None:
    with open_page(browser, client) as page:
        open_with_still_clock(page)
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request) if is_fragment(request) else None)
        page.clock.run_for(4 * SECOND)
        assert asked == []
        with page.expect_request(is_fragment):
            page.clock.run_for(SECOND)

        set_hidden(page, "true")
        asked.clear()
        page.clock.run_for(60 * SECOND)
        assert asked == []
        with page.expect_request(is_fragment):
            set_hidden(page, "false")


def set_hidden(page: Page, value: str) -> None:
    """Tell the page that its tab is hidden or seen, as a browser with a window would."""
    page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{ value: {value}, configurable: true }});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def test_what_is_not_new_any_more_says_so(browser: Browser, client: httpx.Client) -> None:
    with open_page(browser, client, refused="503") as page:
        open_with_still_clock(page)
        notice = page.get_by_text("Live updates are interrupted")
        assert not notice.is_visible()
        page.route("**/fragments/activity", lambda route: route.fulfill(status=503))
        page.clock.run_for(5 * SECOND)
        notice.wait_for()
        page.unroute("**/fragments/activity")
        page.clock.run_for(5 * SECOND)
        notice.wait_for(state="hidden")


def test_what_has_the_focus_is_left_alone(
    browser: Browser, client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    with open_page(browser, client) as page:
        open_with_still_clock(page)
        link = page.get_by_role("link", name=KEY)
        link.focus()
        start_run(world, instance)
        page.clock.run_for(5 * SECOND)
        page.get_by_text("1 running").wait_for()
        assert link.evaluate("link => link === document.activeElement")


@pytest.fixture
def scene(world: World, instance: dg.DagsterInstance) -> World:
    """Repositories in every state, one at work, and a history with a long error."""
    index(world, instance)
    now = world.clock.advance(4000)
    names = ("octo/a-repository-with-a-name-that-is-rather-long.js", "octo/dog", "pond/frog")
    for number, name in enumerate(names, start=2):
        hosted = make_hosted(name, number)
        world.state.save_repository(TrackedRepository(name, hosted, tracked_at=now))
        at = now - timedelta(hours=number * 9)
        for branch in ("main", "release/2026.1")[: number - 1]:
            counts = (310, 4200 * number, 5100 * number)
            indexed = IndexedBranch(branch, make_sha(name), "", "f", "c", at, *counts)
            world.state.commit_branch(hosted.source, indexed)
    failed = {PARTITION_TAG: "octo/dog"}
    run = dg.DagsterRun("sync_repository", run_id="failed", status=Status.FAILURE, tags=failed)
    instance.run_storage.add_run(run)
    waiting = {PARTITION_TAG: "pond/frog"}
    run = dg.DagsterRun("sync_repository", run_id="waits", status=Status.NOT_STARTED, tags=waiting)
    instance.run_storage.add_run(run)
    start_run(world, instance)
    error = "HostUnavailableError: https://github.com/octo/dog.git did not answer within 60 seconds"
    record = SyncRecord("octo/dog", None, "failed", SyncStatus.FAILED, now, 61.2, error=error)
    world.state.record_sync(record)
    earlier = now - timedelta(hours=3)
    complete = replace(record, run_id="complete", status=SyncStatus.COMPLETE, error="", files=310)
    world.state.record_sync(replace(complete, started_at=earlier, points_added=5100, is_full=True))
    return world


def test_it_fits_every_screen(browser: Browser, client: httpx.Client, scene: World) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name, options in SCREENS:
        with open_page(browser, client, refused="400", **options) as page:
            for shown, path in PATHS:
                page.goto(path)
                page.get_by_text("1,200 of 6,300").wait_for()
                page.screenshot(path=SCREENSHOTS / f"page-{shown}-{name}.png", full_page=True)
                widths = "[document.documentElement.scrollWidth, window.innerWidth]"
                needed, there = page.evaluate(widths)
                assert needed <= there, (name, shown)
