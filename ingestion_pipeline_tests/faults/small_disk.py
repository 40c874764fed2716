"""A disk of few bytes, in memory, where this user may mount one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOMY_BYTES = 1 << 30


@dataclass(frozen=True)
class SmallDisk:
    """A mounted tmpfs.

    Args:
        path: Where.
    """

    path: Path

    def resize(self, size_bytes: int = ROOMY_BYTES) -> None:
        """Give it more room, or less."""
        options = f"remount,size={size_bytes}"
        subprocess.run(["mount", "-o", options, str(self.path)], check=True)

    def leave(self, free_bytes: int) -> None:
        """Resize it so that this much is free."""
        status = os.statvfs(self.path)
        self.resize((status.f_blocks - status.f_bfree) * status.f_frsize + free_bytes)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no byte free meanwhile."""
        ballast = self.path / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        except OSError:  # this is what was wanted
            assert ballast.stat().st_size
        try:
            yield
        finally:
            ballast.unlink()


@contextmanager
def mount_small_disk(path: Path, size_bytes: int = ROOMY_BYTES) -> Iterator[SmallDisk]:
    """Mount one; skips the test where that is not allowed."""
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("There is no mount(8) here, so no small disk.")
    if done.returncode:
        pytest.skip(f"A small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
