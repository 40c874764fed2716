"""``python -m benchmarks.readme``: copy the summary of docs/benchmarks.md into the README."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TABLE = re.compile(r"^\| what \| figure \|\n(?:\|.*\|\n)+", re.MULTILINE)
_PLACE = re.compile(r"(<!-- begin speed -->\n).*?(<!-- end speed -->)", re.DOTALL)


def copy_summary(readme: str, report: str) -> str:
    """Return the README with the report's summary table between its marks.

    Raises:
        ValueError: The report has no summary, or the README no marks.
    """
    table, place = _TABLE.search(report), _PLACE.search(readme)
    if table is None or place is None:
        raise ValueError("docs/benchmarks.md has no summary, or README.md no speed marks.")
    return readme[: place.end(1)] + table.group() + readme[place.start(2) :]


def main() -> None:
    """Write the README anew."""
    path = ROOT / "README.md"
    report = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    path.write_text(copy_summary(path.read_text(encoding="utf-8"), report), encoding="utf-8")


if __name__ == "__main__":
    main()
