"""What the README says is what the project is."""

import re

from benchmarks.readme import ROOT, copy_summary


def test_the_readmes_figures_are_the_reports() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    report = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert copy_summary(readme, report) == readme, "run python -m benchmarks.readme"


def test_every_file_that_the_readme_names_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
