"""The page for people over real HTTP: what it shows, escapes, links to and refuses."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import httpx
import pytest
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.api.page import describe_age, format_duration
from ingestion_pipeline.core.errors import (
    PointStoreUnavailableError,
    StoreMismatchError,
    TransientError,
)
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.points import PointFilter, ScoredPoint
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import SyncProgress, SyncRecord, SyncStatus
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.orchestration.world import KEY, World

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
HOSTILE_FILE = "src/<img src=x onerror=alert(1)>&quot;.py"


class Elements(HTMLParser):
    """The elements of a page as a browser would make them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href" and tag == "a"]


def read_text(answer: httpx.Response) -> str:
    """Return what a person reads, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def add_run(instance: dg.DagsterInstance, run_id: str, status: Status, key: str = KEY) -> None:
    tags = {PARTITION_TAG: key}
    run = dg.DagsterRun("sync_repository", run_id=run_id, status=status, tags=tags)
    instance.run_storage.add_run(run)


def make_record(world: World, run_id: str, **changes: object) -> SyncRecord:
    row = world.row
    at = world.clock.now() - timedelta(minutes=5)
    record = SyncRecord(KEY, row.source, run_id, SyncStatus.COMPLETE, at, 83.4, 3, 4, 5, 6)
    return replace(record, **changes)  # type: ignore[arg-type]


# -- repositories


def test_nothing_yet(world: World, instance: dg.DagsterInstance) -> None:
    world.services.state = FakeStateStore()
    with serve(world.services, instance) as client:
        answer = client.get("/")
        searched = client.get("/", params={"q": "purr"})
    assert answer.status_code == 200
    text = read_text(answer)
    assert "Nothing is tracked yet. ingestion-pipeline track owner/name" in text
    assert "Nothing runs." in text
    assert "No sync has ended yet." in text
    assert searched.status_code == 200
    assert "Nothing is indexed yet, so nothing can be found." in read_text(searched)


def test_every_answer_keeps_strangers_out(client: httpx.Client) -> None:
    for path, status in (("/", 200), ("/?q=", 400), ("/fragments/activity", 200)):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (
            status,
            "text/html; charset=utf-8",
        )
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "style" not in Elements(answer.text).attributes


def test_a_repository_before_and_after_its_sync(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    before = read_text(client.get("/"))
    assert f"{KEY} stale never indexed never - 0" in before
    assert world.sync(instance).success
    asked = len(world.host.calls)

    answer = client.get("/")

    points, head = len(world.points()), world.git.head("main")[:7]
    assert f"{KEY} fresh just now main {head} {points}" in read_text(answer)
    assert f"https://github.com/{KEY}" in Elements(answer.text).links
    assert len(world.host.calls) == asked


def test_a_repository_that_fails(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    add_run(instance, "failed", Status.FAILURE)
    assert f"{KEY} failing the last run failed or was cancelled" in read_text(client.get("/"))


def test_what_is_not_the_web_is_not_linked(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    assert world.sync(instance).success
    for url in ("javascript:alert(1)", "data:text/html,x", "//evil.example", "", "/etc/passwd"):
        world.state.set_hosted(world.row.source, replace(world.row.hosted, web_url=url))
        answer = client.get("/", params={"q": "purr"})
        assert "src/purr.py" in read_text(answer)
        assert Elements(answer.text).links == ["./"]


# -- what runs, what ended


def test_what_runs_and_how_far_it_is(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    add_run(instance, "at-work", Status.STARTED)
    now = world.clock.now()
    progress = SyncProgress("at-work", KEY, "parse", 1200, 6300, "src/é.py", now, percentage=11)
    world.state.set_progress(progress)
    for path in ("/", "/fragments/activity"):
        answer = client.get(path)
        assert "Now 1 running" in read_text(answer)
        assert "1,200 of 6,300 src/é.py" in read_text(answer)
        assert f"{KEY} syncing run at-work is in progress" in read_text(answer)
        assert '<progress max="100" value="11"' in answer.text
        assert '<li aria-current="step">parse</li>' in answer.text
        assert "data-busy" in answer.text


def test_the_fragment_holds_what_moves_alone(client: httpx.Client) -> None:
    answer = client.get("/fragments/activity")
    names = Elements(answer.text).names
    assert names.count("section") == answer.text.count(" data-live") == 3
    assert not {"html", "form", "script"} & set(names)
    assert "data-busy" not in answer.text


def test_jobs_that_wait_and_jobs_that_are_to_end(
    world: World, instance: dg.DagsterInstance
) -> None:
    now, source = world.clock.now(), world.row.source
    with serve(world.services, instance) as client:
        # No workspace is here, so nobody hands the job over.
        world.state.jobs.accept(Job("job-1", source, KEY, "{}", "the HTTP API", now), 10)
        assert f"Now 0 running, 1 queued Queued: {KEY}" in read_text(client.get("/"))

        run_tags = {PARTITION_TAG: KEY, "ingestion/job_id": "job-1"}
        tags = {**run_tags, "ingestion/requested_by": "the HTTP API"}
        run = dg.DagsterRun("sync_repository", run_id="job-1", status=Status.STARTED, tags=tags)
        instance.run_storage.add_run(run)
        text = read_text(client.get("/"))
        assert f"Now 1 running {KEY} running started" in text
        assert "asked for by the HTTP API" in text

        world.state.jobs.ask_to_cancel("job-1", now)
        assert f"{KEY} cancelling started" in read_text(client.get("/"))


def test_the_history(client: httpx.Client, world: World) -> None:
    now = world.clock.now()
    earlier = now - timedelta(hours=3)
    world.state.record_sync(make_record(world, "run-1", is_full=True))
    failed = make_record(
        world, "run-2", status=SyncStatus.FAILED, started_at=earlier, error="The host is away."
    )
    world.state.record_sync(failed)
    world.state.jobs.accept(Job("job-1", world.row.source, KEY, "{}", "", earlier), 10)
    world.state.jobs.record_ended("job-1", JobStatus.SKIPPED, now, "Task exceeded TTL")

    text = read_text(client.get("/")).split("History ")[1]

    assert text == (
        f"skipped {KEY} just now Task exceeded TTL "
        f"complete {KEY} 4 added, 5 changed, 6 deleted, full sync · 1 min 23 s · "
        f"3 min ago failed {KEY} 1 min 23 s · 2 h ago The host is away."
    )


def test_the_history_is_short(client: httpx.Client, world: World) -> None:
    for number in range(30):
        at = world.clock.now() - timedelta(hours=number)
        record = make_record(world, f"run-{number}", started_at=at, points_added=1000 + number)
        world.state.record_sync(record)
    text = read_text(client.get("/"))
    assert "1,019 added" in text
    assert "1,020 added" not in text


def test_durations_and_ages_are_said_as_people_say_them(world: World) -> None:
    seconds = (0.04, 9.94, 12.4, 59.4, 125, 3600, 7325)
    said = [format_duration(value) for value in seconds]
    assert said == ["0.0 s", "9.9 s", "12 s", "59 s", "2 min 5 s", "1 h 0 min", "2 h 2 min"]
    now = world.clock.now()
    ages = [describe_age(now - timedelta(seconds=value), now) for value in (-5, 59, 61, 7300, 2e5)]
    assert ages == ["just now", "just now", "1 min ago", "2 h ago", "2 d ago"]


# -- search


def test_hits_say_where_why_and_what(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    assert world.sync(instance).success
    answer = client.get("/", params={"q": "purr times", "kind": "function"})
    assert answer.status_code == 200
    text = read_text(answer)
    assert "src/purr.py :4 purr octo/cat main · python function ·" in text
    assert "words #1" in text
    assert "4 def purr(times):" in text
    head = world.git.head("main")
    links = Elements(answer.text).links
    assert f"https://github.com/{KEY}/blob/{head}/src/purr.py#L4-L6" in links
    assert 'value="purr times"' in answer.text
    assert '<option value="function" selected>' in answer.text


@pytest.mark.parametrize(
    "filters", [{"repo": "octo/dog"}, {"language": "rust"}, {"kind": "repository"}]
)
def test_filters_leave_hits_out(
    client: httpx.Client, world: World, instance: dg.DagsterInstance, filters: dict[str, str]
) -> None:
    assert world.sync(instance).success
    kept = {"repo": KEY, "language": "python", "kind": "function"}
    assert "src/purr.py" in client.get("/", params={"q": "purr", **kept}).text
    answer = client.get("/", params={"q": "purr", **kept, **filters})
    assert answer.status_code == 200
    assert "src/purr.py" not in answer.text


def test_a_filter_that_nothing_passes_stays_chosen(
    client: httpx.Client, world: World, instance: dg.DagsterInstance
) -> None:
    assert world.sync(instance).success
    answer = client.get("/", params={"q": "purr", "language": "klingon"})
    assert answer.status_code == 200
    assert "Nothing found. Try other words, or fewer filters." in read_text(answer)
    assert '<option value="klingon" selected>klingon</option>' in answer.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"q": ""}, "The search is empty."),
        ({"q": " "}, "The search is empty."),
        ({"q": "the of"}, "which are not indexed"),
        ({"q": "x" * 501}, "longer than 500 characters"),
        ({"q": "purr", "kind": "colour"}, "Unknown kind colour. Choose from: file,"),
    ],
)
def test_a_search_that_cannot_be_answered_is_told_why(
    client: httpx.Client, query: dict[str, str], said: str
) -> None:
    answer = client.get("/", params=query)
    assert answer.status_code == 400
    assert said in read_text(answer)
    assert KEY in answer.text  # the rest of the page is there


class BrokenPointStore(FakePointStore):
    """Answers no search."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def search_dense(
        self, collection: str, vector: Sequence[float], where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (PointStoreUnavailableError("qdrant.internal is away"), 503, "does not answer just now"),
        (StoreMismatchError("/home/internal is another's"), 500, "The server's log says why."),
    ],
)
def test_a_store_in_trouble_names_no_names(
    world: World, instance: dg.DagsterInstance, error: Exception, status: int, said: str
) -> None:
    world.services.store = BrokenPointStore(error)
    with serve(world.services, instance) as client:
        answer = client.get("/", params={"q": "purr"})
    assert answer.status_code == status
    assert said in read_text(answer)
    assert "internal" not in answer.text
    assert KEY in answer.text


class BusyStateStore(FakeStateStore):
    """Its database is locked."""

    def list_repositories(self, *, include_untracked: bool = False) -> list[TrackedRepository]:
        raise TransientError("The state database at db.internal is busy.")


def test_a_state_in_trouble_is_a_page_too(world: World, instance: dg.DagsterInstance) -> None:
    world.services.state = BusyStateStore()
    with serve(world.services, instance) as client:
        page, fragment = client.get("/"), client.get("/fragments/activity")
    assert (page.status_code, fragment.status_code) == (503, 503)
    assert "The state database does not answer." in read_text(page)
    assert "internal" not in page.text + fragment.text


# -- hostile text


@pytest.fixture
def hostile(tmp_path: Path, instance: dg.DagsterInstance) -> World:
    """A repository whose names and lines are markup."""
    code = f'def purr():\n    """{HOSTILE}"""\n'
    made = World(tmp_path / "hostile", {HOSTILE_FILE: code})
    made.track(instance)
    return made


def test_text_of_repositories_is_text(hostile: World, instance: dg.DagsterInstance) -> None:
    assert hostile.sync(instance).success
    error = make_record(hostile, "x", status=SyncStatus.FAILED, error=HOSTILE)
    hostile.state.record_sync(replace(error, partition_key=HOSTILE))
    add_run(instance, "at-work", Status.STARTED)
    now = hostile.clock.now()
    hostile.state.set_progress(SyncProgress("at-work", KEY, "parse", 1, 2, HOSTILE, now))
    filters = {"repo": HOSTILE, "language": HOSTILE, "kind": HOSTILE}
    with serve(hostile.services, instance) as client:
        found = client.get("/", params={"q": "purr"})
        asked = client.get("/", params={"q": HOSTILE, **filters})
    assert "hits" in found.text
    assert asked.status_code == 400
    for answer in (found, asked):
        elements = Elements(answer.text)
        assert elements.names.count("script") == 1
        assert "img" not in elements.names
        assert "onerror" not in elements.attributes
        assert HOSTILE in unescape(answer.text)
    head = hostile.git.head("main")
    url = f"/blob/{head}/src/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26quot%3B.py#L1-L2"
    assert f"https://github.com/{KEY}{url}" in Elements(found.text).links


# -- files


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_its_files_are_served_from_here(client: httpx.Client, name: str, kind: str) -> None:
    assert f'"static/{name}"' in client.get("/").text
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(kind)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    unchanged = {"If-None-Match": answer.headers["ETag"]}
    assert client.get(f"/static/{name}", headers=unchanged).status_code == 304
    assert "://" not in answer.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("name", ["none.css", "..%2Fpage.py", "%2Fetc%2Fpasswd", "%2E%2E", ""])
def test_no_other_file_is(client: httpx.Client, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_the_page_is_no_part_of_the_api(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert paths
    assert not [
        path for path in paths if not path.startswith(("/api/", "/healthz", "/readyz", "/metrics"))
    ]
    assert client.post("/").status_code == 405
