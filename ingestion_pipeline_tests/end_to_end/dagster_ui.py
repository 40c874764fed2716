"""Dagster's UI in headless Chromium, as a person uses it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as WaitedTooLongError

ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_TIMEOUT_MILLISECONDS = 90_000


def find_chromium() -> str | None:
    """Return the path of the machine's Chromium or Chrome, None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


class DagsterUi:
    """One browser window.

    Args:
        page: Playwright's page.
        url: Of the webserver.
        screenshots: Folder that pictures go to.
    """

    def __init__(self, page: Page, url: str, screenshots: Path) -> None:
        self.page = page
        self._url = url
        self._screenshots = screenshots

    def open(self, path: str, ready_text: str) -> None:
        """Go to a page and wait for a text on it."""
        self.page.goto(self._url + path)
        self.wait_for_text(ready_text)

    def wait_for_text(self, text: str) -> None:
        """Wait until a text is visible; where it never is, a picture shows what was instead."""
        try:
            self.page.get_by_text(text).locator("visible=true").first.wait_for()
        except WaitedTooLongError:
            self.screenshot("never-came")
            raise

    def materialize(self, *partitions: str) -> None:
        """Launch partitions through the dialog of the asset's page."""
        self.open("/assets/repository_points", "Latest materialization")
        self.page.get_by_role("button", name="Materialize").first.click()
        self.page.get_by_text("Select a partition or create one").click()
        for partition in partitions:
            self.page.get_by_role("menuitem").filter(has_text=partition).click()
        # The list lies over the button until something else is clicked.
        self.page.get_by_text("Launch runs to materialize").click()
        launch = "Launch 1 run" if len(partitions) == 1 else "Launch backfill"
        self.page.get_by_role("button", name=launch).click()
        self.page.get_by_text("Launch runs to materialize").wait_for(state="detached")

    def open_partition(self, partition: str, ready_text: str) -> None:
        """Show one partition of the asset."""
        path = f"/assets/repository_points?view=partitions&partition={quote(partition, safe='')}"
        self.open(path, ready_text)

    def screenshot(self, name: str) -> None:
        """Keep a picture of what the window shows."""
        self.page.screenshot(path=self._screenshots / f"{name}.png")


@contextmanager
def open_ui(url: str, profile: Path, screenshots: Path, chromium: str) -> Iterator[DagsterUi]:
    """Start a browser with a profile of its own and close it at the end."""
    screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium,
            args=ARGUMENTS,
            viewport={"width": 1500, "height": 1000},
        )
        context.set_default_timeout(_TIMEOUT_MILLISECONDS)
        try:
            yield DagsterUi(context.pages[0], url, screenshots)
        finally:
            context.close()
