"""One way of keeping an index: started as a process for every sync, killed where it is told to."""

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Contents = Counter[tuple[str, str]]
_SYNC_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the journal: an embedding call with its number of texts, or a write."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync that ended.

    Args:
        steps: What it did, in order.
        contents: Path and text of every point in the store afterwards.
    """

    steps: tuple[Step, ...]
    contents: Contents

    @property
    def embeddings(self) -> int:
        """Number of texts that were embedded."""
        return sum(step.count for step in self.steps if step.kind == "embed")


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that indexes a folder, and the folder of its state.

    Args:
        name: For the table.
        command: To be followed by the folder to index, the state folder and the journal.
        folder: Where state and journal are; each contender has its own.
        check_out: Makes a commit current and returns the folder to index.
        environment: On top of this process's.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    check_out: Callable[[str], Path]
    environment: Mapping[str, str]

    @property
    def state(self) -> Path:
        """Everything that the contender keeps."""
        return self.folder / "state"

    def sync(self, commit: str) -> Synced:
        """Index a commit.

        Raises:
            RuntimeError: The program failed; the message holds the end of what it printed.
        """
        dump = self.folder / "contents.json"
        code, steps = self._start(commit, "--dump", str(dump))
        if code != 0:
            printed = (self.folder / "output").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {code}:\n{printed}")
        contents = Counter((path, text) for path, text in json.loads(dump.read_text()))
        return Synced(steps, contents)

    def sync_and_die(self, commit: str, at: int) -> None:
        """Index a commit, and kill the process with SIGKILL at a step.

        Raises:
            RuntimeError: It ended otherwise.
        """
        code, _ = self._start(commit, "--die-at", str(at))
        if code != -signal.SIGKILL:
            printed = (self.folder / "output").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {code} instead of dying:\n{printed}")

    def save(self, label: str) -> None:
        """Keep a copy of the state."""
        _copy(self.state, self.folder / f"saved-{label}")

    def restore(self, label: str) -> None:
        """Put a copy back to where it was."""
        _copy(self.folder / f"saved-{label}", self.state)

    def forget(self) -> None:
        """Begin with nothing."""
        shutil.rmtree(self.state)

    def _start(self, commit: str, *options: str) -> tuple[int, tuple[Step, ...]]:
        tree = self.check_out(commit)
        journal = self.folder / "journal"
        journal.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [*self.command, str(tree), str(self.state), str(journal), *options],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            code = _wait(process)
        return code, _read_journal(journal)


def _wait(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(timeout=_SYNC_SECONDS)
    finally:  # what it started must not outlive it, however it ended
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read_journal(path: Path) -> tuple[Step, ...]:
    lines = path.read_text().splitlines() if path.exists() else []
    return tuple(Step(kind, int(count)) for kind, count in (line.split() for line in lines))


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def choose_deaths(steps: Sequence[Step], count: int) -> list[int]:
    """Return the steps to die at: one among the embeddings, the others spread over the writes."""
    writes = [number for number, step in enumerate(steps) if step.kind != "embed"]
    embeddings = [number for number, step in enumerate(steps) if step.kind == "embed"]
    chosen = embeddings[len(embeddings) // 2 :][:1]
    wanted = min(count - len(chosen), len(writes))
    if wanted > 1:
        chosen += [writes[n * (len(writes) - 1) // (wanted - 1)] for n in range(wanted)]
    else:
        chosen += writes[len(writes) // 2 :][:wanted]
    return sorted(set(chosen))
