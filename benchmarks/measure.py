"""Timing: series of repetitions, interleaved, and processes with their wall time and memory."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_TO, _TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"
_CHILD = Path(__file__).with_name("child.py")
COMMAND_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Series:
    """Repetitions of one measurement, in the order they were taken."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Series":
        """Return the series of at least one value."""
        if not values:
            raise ValueError("A series needs at least one value.")
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def percentile(self, share: float) -> float:
        """Return the least value that ``share`` (0 to 1) of the values do not exceed."""
        ordered = sorted(self.values)
        rank = -(-share * len(ordered) // 1)
        return ordered[max(0, min(len(ordered), int(rank)) - 1)]

    def over(self, other: "Series") -> "Series":
        """Return the ratios taken pair by pair: what ran side by side shared the machine's mood."""
        pairs = zip(self.values, other.values, strict=True)
        return Series(tuple(mine / theirs for mine, theirs in pairs))

    def minus(self, other: "Series") -> "Series":
        """Return the differences taken pair by pair."""
        pairs = zip(self.values, other.values, strict=True)
        return Series(tuple(mine - theirs for mine, theirs in pairs))

    def show(self, unit: str = "s", digits: int = 2) -> str:
        """Return median, spread and number of repetitions."""
        if len(self.values) == 1:
            return f"{self.median:,.{digits}f} {unit}".rstrip()
        low, high = min(self.values), max(self.values)
        shown = f"{self.median:,.{digits}f} {unit}".rstrip()
        return f"{shown} ({low:,.{digits}f}{_TO}{high:,.{digits}f}, n={len(self.values)})"

    def show_ratio(self) -> str:
        """Return the median ratio and its spread."""
        if len(self.values) == 1:
            return show_times(self.median)
        low, high = min(self.values), max(self.values)
        return f"{show_times(self.median)} ({low:.2f}{_TO}{high:.2f}, n={len(self.values)})"


def show_times(ratio: float) -> str:
    """Return a ratio as text."""
    return f"{ratio:.2f}{_TIMES}"


def interleave(
    rounds: int, actions: Mapping[str, Callable[[], _T]], *, warm_up: bool = True
) -> dict[str, list[_T]]:
    """Run every action once a round, every other round backwards, so that all see the same load.

    Args:
        rounds: Repetitions of each.
        actions: By name.
        warm_up: Run each once before, to fill the page cache; not counted.
    """
    results: dict[str, list[_T]] = {name: [] for name in actions}
    if warm_up:
        for action in actions.values():
            action()
    for number in range(rounds):
        names = list(actions)[:: -1 if number % 2 else 1]
        for name in names:
            results[name].append(actions[name]())
    return results


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended well.

    Args:
        began_at: Seconds since the epoch, just before it was started.
        seconds: Wall time from start to exit.
        cpu_seconds: CPU time of it and of the children it waited for; other work on the machine
            hardly changes it.
        peak_mib: Largest resident memory of it or of one child it waited for.
        output: All that it printed.
    """

    began_at: float
    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: str


def run_process(
    *command: str | Path,
    environment: Mapping[str, str],
    folder: Path,
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
) -> Finished:
    """Run a command, started by a tiny process that takes the measurements.

    A child of this process would begin with this process's memory in its ``ru_maxrss``: Linux
    carries the peak over ``fork`` and ``exec``.

    Raises:
        RuntimeError: It failed; the message holds what it printed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        result, output = Path(scratch, "result.json"), Path(scratch, "output")
        with output.open("wb") as sink:
            done = subprocess.run(
                [sys.executable, "-I", "-S", _CHILD, result, *command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                timeout=timeout_seconds,
                check=False,
            )
        printed = output.read_text(errors="replace")
        if done.returncode != 0:
            name = Path(command[0]).name
            raise RuntimeError(f"{name} ended with {done.returncode}:\n{printed[-4000:]}")
        facts = json.loads(result.read_text())
    return Finished(output=printed, **facts)


def run_python(
    code: str, *arguments: str | Path, environment: Mapping[str, str], folder: Path
) -> Finished:
    """Run a piece of Python in a fresh process of this interpreter."""
    command = (sys.executable, "-c", code, *arguments)
    return run_process(*command, environment=environment, folder=folder)


def run_module(
    module: str, *arguments: str | Path, environment: Mapping[str, str], folder: Path
) -> Finished:
    """Run a module in a fresh process of this interpreter."""
    command = (sys.executable, "-m", module, *arguments)
    return run_process(*command, environment=environment, folder=folder)


def run_program(
    name: str, *arguments: str | Path, environment: Mapping[str, str], folder: Path
) -> Finished:
    """Run a console script of this virtual environment."""
    program = Path(sys.executable).parent / name
    return run_process(program, *arguments, environment=environment, folder=folder)


def read_last_json(finished: Finished) -> dict[str, float]:
    """Return the JSON object on the last line that a measured process printed."""
    return json.loads(finished.output.strip().splitlines()[-1])
