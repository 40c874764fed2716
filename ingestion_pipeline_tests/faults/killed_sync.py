"""Processes that sync a repository and are killed, as by ``kill -9``, at a chosen call.

Nothing in the product knows of it: the parts that the steps get are proxies. As a program, it takes
a line of JSON for each sync, forks a process for it, and answers with the exit status: its modules
are loaded once, and nothing else is open when it forks.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingestion_pipeline.core.code import SkippedFile, SourceFile
from ingestion_pipeline.core.errors import IngestionError
from ingestion_pipeline.indexing import embed
from ingestion_pipeline.parse import ParsedFile
from ingestion_pipeline.points import write
from ingestion_pipeline_tests.crashing import Crash, CrashingProxy, CrashPlan
from ingestion_pipeline_tests.end_to_end.processes import HAS_PROC, find_processes
from ingestion_pipeline_tests.faults.hostile_files import parse_in_hostile_workers
from ingestion_pipeline_tests.faults.installation import Installation

# So that a small repository is written in several batches.
SMALL_BATCH = 6
# The workers' environment names it, by which they are found.
HOME_VARIABLE = "INGESTION_HOME"
# Files of the home: processes that were alive at the kill, and the error that ended a sync.
HOSTILE = "result of a hostile parser"
CHILDREN = "children.txt"
ERROR = "error.txt"


@dataclass(frozen=True)
class Death:
    """Where to die.

    Args:
        part: ``mirror``, ``state``, ``store``, ``parser`` or ``encoder``; "" to live.
        call: Name of its method; the parser has ``result``, and ``HOSTILE`` where it hangs.
        number: Which of the calls, from 0.
        before: Before the call takes effect, else right after.
    """

    part: str = ""
    call: str = ""
    number: int = 0
    before: bool = True

    def __str__(self) -> str:
        when = "before" if self.before else "after"
        return f"{when} {self.part}.{self.call} {self.number}"


class KillPlan(CrashPlan):
    """Ends the process instead of raising: no ``finally`` runs, no file is closed."""

    def perform(self, write: Any, *args: Any, **kwargs: Any) -> Any:
        """Do one call, or die."""
        try:
            return super().perform(write, *args, **kwargs)
        except Crash:
            home = Path(os.environ[HOME_VARIABLE])
            alive = [process.pid for process in find_processes(home)] if HAS_PROC else []
            (home / CHILDREN).write_text(" ".join(map(str, alive)))
            os.kill(os.getpid(), signal.SIGKILL)


def sync_until(installation: Installation, death: Death) -> None:
    """Sync in this process until the chosen call."""
    plan = KillPlan(death.number, before=death.before)

    def replace(name: str, target: Any) -> Any:
        if name != death.part:
            return target
        if name != "parser":
            return CrashingProxy(target, plan, frozenset((death.call,)))
        parser = parse_in_hostile_workers if death.call == HOSTILE else target

        def parse(files: Iterable[SourceFile]) -> Iterator[ParsedFile | SkippedFile]:
            for result in parser(files):
                yield plan.perform(lambda result=result: result)

        return parse

    write.BATCH_POINTS = SMALL_BATCH
    embed._CODE_MAP_SHARE = 2.0  # as in the tests' own process, no picture
    installation.sync(replace=replace)


class SyncProcesses:
    """The side of the tests: one process that forks another for each sync."""

    def __init__(self) -> None:
        self._forker = subprocess.Popen(
            [sys.executable, "-m", "ingestion_pipeline_tests.faults.killed_sync"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, installation: Installation, death: Death) -> int:
        """Sync in a process of its own; return its exit status, minus the signal if one ended it.

        What it wrote to stderr is this process's.
        """
        stdin, stdout = self._forker.stdin, self._forker.stdout
        assert stdin
        assert stdout
        order = {
            "home": str(installation.folder),
            "origin": str(installation.origin),
            "death": asdict(death),
        }
        stdin.write(f"{json.dumps(order)}\n")
        stdin.flush()
        return int(stdout.readline())

    def kill_at(self, installation: Installation, death: Death) -> list[int]:
        """Sync until the kill; return the processes of the home that were alive then."""
        assert self.run(installation, death) == -signal.SIGKILL
        return [int(pid) for pid in (installation.folder / CHILDREN).read_text().split()]

    def close(self) -> None:
        """End the process that forks."""
        self._forker.communicate()


@contextmanager
def open_sync_processes() -> Iterator[SyncProcesses]:
    """Yield the processes and end them."""
    processes = SyncProcesses()
    try:
        yield processes
    finally:
        processes.close()


def main() -> None:
    """Do what the lines say."""
    import ingestion_pipeline.embed.encoder  # noqa: F401 - once for all forks

    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _obey(Path(order["home"]), Path(order["origin"]), Death(**order["death"]))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _obey(home: Path, origin: Path, death: Death) -> None:
    os.environ[HOME_VARIABLE] = str(home)
    try:
        sync_until(Installation(home, origin), death)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the fork must not go on
        (home / ERROR).write_text(f"{type(error).__name__}: {error}")
        if not isinstance(error, IngestionError):
            traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
