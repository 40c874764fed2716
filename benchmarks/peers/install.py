"""The peers' virtual environment, made by the ordinary pip when it is first needed."""

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.home import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_INSTALL_SECONDS = 900


class PeersNotInstalledError(RuntimeError):
    """The peers could not be installed here; the message says why."""


def install_peers() -> Path:
    """Return the Python of an environment that holds exactly the pinned requirements.

    Raises:
        PeersNotInstalledError: venv or pip failed.
    """
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".data" / f"benchmark-peers-{digest}"
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(
            *(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--requirement", str(REQUIREMENTS)),
        )
        done.touch()
    return python


def list_pins() -> tuple[str, ...]:
    """Return ``name==version`` of every requirement."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
    )
    if done.returncode != 0:
        raise PeersNotInstalledError(f"{' '.join(command)}:\n{done.stderr.strip()[-1000:]}")
