"""The benchmarks run and say what they promise to say; how fast anything is, no test asks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.home import ROOT


def _measure(name: str, out: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick", "--out", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip()


@pytest.mark.slow
def test_two_benchmarks_measure_and_share_one_generated_file(tmp_path: Path) -> None:
    out = tmp_path / "docs" / "benchmarks.md"
    sensor = _measure("sensor", out)
    load = _measure("load", out)

    rows = [line.split(" | ") for line in sensor.splitlines() if line.startswith("| 50 tracked")]
    calls_and_runs = [(row[6], row[7]) for row in rows]
    assert calls_and_runs[0] == ("1 + 0", "0"), "up to date: one GraphQL call, nothing to run"
    assert calls_and_runs[1] == ("1 + 0", "1"), "one pushed to: one run"
    assert calls_and_runs[2] == ("1 + 50", "0"), "no GraphQL: one REST call a repository"
    assert "`sys.modules` held after loading the code location: `[]`" in load

    text = out.read_text(encoding="utf-8")
    assert "not to be edited by hand" in text
    assert load in text
    assert sensor in text, "measuring another benchmark leaves this one's section"
    assert re.findall(r"<!-- begin (\w+) -->", text) == ["load", "sensor"], "in the file's order"
    summary, *_ = text.split("<!-- begin")
    labels = re.findall(r"^- \*\*(.*?)\*\*: ", load + sensor, re.MULTILINE)
    assert labels
    assert all(f"| {label} | " in summary for label in labels)
    assert re.search(r"cores, .*Python 3\.\d+\.\d+; dagster \d", text), "names the machine"
