"""Lines of the server's log."""

import json
import logging
import sys

from ingestion_pipeline.cli.log_format import JsonFormatter, QueryFilter


def make_record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    record = logging.getLogger("a.b").makeRecord(
        *("a.b", logging.WARNING, "file.py", 1, message, arguments, None), extra=fields
    )
    record.created = 1_767_268_800.25
    return record


def test_a_line_is_one_object_with_what_is_known() -> None:
    record = make_record("Job %s\nended", "é", job_id="é", run_id="r", repository="a/b", other=1)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-01-01T12:00:00.250+00:00",
        "level": "WARNING",
        "logger": "a.b",
        "message": "Job é\nended",
        "job_id": "é",
        "run_id": "r",
        "repository": "a/b",
    }


def test_an_error_is_in_the_same_line() -> None:
    record = make_record("failed")
    try:
        {}["missing"]
    except KeyError:
        record.exc_info = sys.exc_info()
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "KeyError: 'missing'" in json.loads(line)["exception"]


def test_access_lines_have_no_query() -> None:
    path = "/api/v1/search?q=secret"
    record = make_record('%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", path, "1.1", 200)
    assert QueryFilter().filter(record)
    assert record.getMessage() == '127.0.0.1:5 - "GET /api/v1/search HTTP/1.1" 200'
