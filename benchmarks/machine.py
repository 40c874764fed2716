"""What the figures were measured on."""

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("dagster", "torch", "torch-geometric", "qdrant-edge-py", "tree-sitter", "numpy")


def describe_machine() -> str:
    """Return one line: CPU, cores, memory, system, Python and the versions that matter."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{_read_cpu_model()}, {os.cpu_count()} cores, {_read_memory_gib():.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}; {versions}"
    )


def describe_load() -> str:
    """Return the load average of the last minute, which says how quiet the machine was."""
    return f"{os.getloadavg()[0]:.1f}"


def _read_cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read_memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
