"""Processes that belong to a deployment, found by its folder in their environment or arguments."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
HAS_PROC = (PROC / "self" / "cmdline").exists()


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine."""

    pid: int
    command_line: bytes


def find_processes(folder: Path) -> list[Process]:
    """Return every process but this one that names the folder; git's environment does not."""
    needle = str(folder).encode()
    found: list[Process] = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command_line = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is somebody else's
        # A zombie has neither; its parent, pid 1 perhaps, has not asked for its status yet.
        if needle in command_line or needle in environment:
            found.append(Process(int(entry.name), command_line))
    return found


def read_all_command_lines() -> list[bytes]:
    """Return the arguments of every process of this machine."""
    lines: list[bytes] = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                lines.append((entry / "cmdline").read_bytes())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return lines


def end_group(leader: int) -> None:
    """Kill a process group at once, if any of it is left."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
