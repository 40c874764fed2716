"""Names out of repositories reach the terminal as text."""

import pytest
from rich.console import Console

from ingestion_pipeline.cli import searching
from ingestion_pipeline.cli.searching import print_hits, show_text
from ingestion_pipeline.search.hits import SearchHit


def test_what_steers_a_terminal_is_written_out() -> None:
    assert show_text("a\x1b]0;x\x07b\n\u202ec") == "a\\x1b]0;x\\x07b\\n\\u202ec"
    assert show_text("src/café [red]名.py:4  purr") == "src/café [red]名.py:4  purr"


def test_a_hit_takes_two_lines_whatever_its_path(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "console", Console(soft_wrap=True))
    path = "\x1b[31mred\n.py"
    hit = SearchHit(
        *("id", "octo/cat", "main", (), path, "f", "function", "python"),
        "def f()",
        1,
        2,
        0.5,
        "why",
    )
    print_hits([hit])
    first, _ = capsys.readouterr().out.splitlines()
    assert first == " 1. \\x1b[31mred\\n.py:1  f"
