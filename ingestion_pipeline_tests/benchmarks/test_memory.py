"""Memory is that of what was started, grandchildren too."""

import subprocess
import sys

from benchmarks.memory import watch_memory
from ingestion_pipeline_tests.end_to_end.waiting import wait_for

MEBIBYTES = 64
HOLD = f"held = bytearray({MEBIBYTES} << 20); print('held', flush=True); input()"
NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"


def test_a_grandchild_counts() -> None:
    with watch_memory() as memory:
        process = subprocess.Popen(
            [sys.executable, "-c", NESTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        seen = len(memory.samples)
        wait_for(lambda: len(memory.samples) > seen + 1, "two more samples")
        process.communicate(b"\n")
    peak = memory.peak()
    assert peak.resident_mib > MEBIBYTES
    assert MEBIBYTES < memory.peak_anonymous_mib() <= peak.resident_mib
    assert peak.processes >= 2  # other tests of this process may have servers running
    assert memory.peak_in((0.0, 1.0)).resident_mib == 0.0
