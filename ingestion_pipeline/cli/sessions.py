"""Sessions of processes: what one command started, found and ended together.

As a program, ``python -m ingestion_pipeline.cli.sessions``, it reads leaders from stdin, one a
line, and ends their sessions when stdin ends: they end, too, when whoever writes there is killed.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress

import psutil

GRACE_SECONDS = 20.0
POLL_SECONDS = 0.1


def end_sessions(
    leaders: Collection[int],
    grace_seconds: float = GRACE_SECONDS,
    is_hurried: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Do to sessions what Ctrl-C does in their terminal, and kill what does not end.

    Args:
        leaders: Process ids of the sessions' leaders, which may be gone already.
        grace_seconds: How long they may take.
        is_hurried: Asked every ``POLL_SECONDS``; True kills at once.

    Returns:
        What was killed, as ``name (pid)``; empty where all ended by themselves.
    """
    alive = find_members(leaders)
    _interrupt(leaders)
    deadline = time.monotonic() + grace_seconds
    while alive and time.monotonic() < deadline and not is_hurried():
        time.sleep(POLL_SECONDS)
        alive = {process for process in alive if _is_alive(process)} | find_members(leaders)
    return _kill(leaders, alive)


def find_members(leaders: Collection[int]) -> set[psutil.Process]:
    """Return the living processes of sessions and all that descend from them.

    Descendants count because git runs in sessions of its own. A zombie does not live: where pid 1
    asks for nobody's status, as in some containers, it stays for ever.
    """
    processes = list(psutil.process_iter(["ppid", "status"]))
    found = {process.pid for process in processes if _find_session(process.pid) in leaders}
    while children := {p.pid for p in processes if p.info["ppid"] in found} - found:
        found |= children
    return {p for p in processes if p.pid in found and p.info["status"] != psutil.STATUS_ZOMBIE}


def _interrupt(leaders: Collection[int]) -> None:
    for leader in leaders:
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGINT)


def _kill(leaders: Collection[int], alive: set[psutil.Process]) -> list[str]:
    killed: dict[int, str] = {}
    while alive:
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                killed.setdefault(process.pid, f"{process.name()} ({process.pid})")
                process.kill()
        time.sleep(POLL_SECONDS)
        alive = {process for process in alive if _is_alive(process)} | find_members(leaders)
    return list(killed.values())


def _find_session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None  # it ended meanwhile, or is somebody else's


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    end_sessions([int(leader) for leader in sys.stdin])
