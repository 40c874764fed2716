"""How contenders are started, killed and put back."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.peers.contender import Contender, Step, choose_deaths

# Keeps every line of the file named by the commit; its steps are an embedding and a write.
PROGRAM = """
import argparse, json, os, pathlib, signal
parser = argparse.ArgumentParser()
for name in ("folder", "state", "journal"):
    parser.add_argument(name, type=pathlib.Path)
parser.add_argument("--die-at", type=int)
parser.add_argument("--dump", type=pathlib.Path)
options = parser.parse_args()
options.state.mkdir(parents=True, exist_ok=True)
kept = options.state / "kept"
lines = (options.folder / "file").read_text().split()
for number, step in enumerate((f"embed {len(lines)}", "write 1")):
    with options.journal.open("a") as journal:
        journal.write(step + "\\n")
    if number == options.die_at:
        os.kill(os.getpid(), signal.SIGKILL)
    if step == "write 1":
        kept.write_text(" ".join(lines))
if options.dump:
    options.dump.write_text(json.dumps([["file", line] for line in kept.read_text().split()]))
"""


@pytest.fixture
def contender(tmp_path: Path) -> Contender:
    tree = tmp_path / "tree"
    tree.mkdir()

    def check_out(commit: str) -> Path:
        (tree / "file").write_text(commit)
        return tree

    folder = tmp_path / "contender"
    return Contender("test", (sys.executable, "-c", PROGRAM), folder, check_out, {})


def test_a_sync_tells_what_it_did_and_what_it_left(contender: Contender) -> None:
    done = contender.sync("a b b")
    assert done.contents == Counter({("file", "a"): 1, ("file", "b"): 2})
    assert done.embeddings == 3
    assert [step.kind for step in done.steps] == ["embed", "write"]


def test_a_death_leaves_the_state_as_it_was_at_the_step(contender: Contender) -> None:
    contender.sync("a")
    contender.sync_and_die("b", at=1)
    assert (contender.state / "kept").read_text() == "a"


def test_a_step_that_never_comes_is_no_death(contender: Contender) -> None:
    with pytest.raises(RuntimeError, match="instead of dying"):
        contender.sync_and_die("b", at=2)


def test_what_a_failing_program_printed_is_in_the_error(contender: Contender) -> None:
    broken = Contender(
        "test", (sys.executable, "-c", "raise SystemExit('no store')"), contender.folder,
        contender.check_out, {},
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="no store"):
        broken.sync("a")


def test_a_saved_state_can_be_put_back(contender: Contender) -> None:
    contender.sync("a")
    contender.save("first")
    contender.sync("b")
    contender.restore("first")
    assert (contender.state / "kept").read_text() == "a"


def test_deaths_are_spread_over_the_writes_with_one_among_the_embeddings() -> None:
    steps = [Step("embed", 1)] * 3 + [Step("write", 1)] * 10
    assert choose_deaths(steps, 5) == [1, 3, 6, 9, 12]
    assert choose_deaths(steps[3:], 2) == [0, 9]
    assert choose_deaths(steps[:3], 5) == [1]
    assert choose_deaths([], 5) == []
