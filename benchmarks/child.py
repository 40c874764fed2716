"""Starts one command and writes its times and peak memory to a file; run with ``-I -S``.

Imports next to nothing, so that its own memory (some 10 MiB) is below that of all it starts.
"""

import json
import os
import subprocess
import sys
import time


def main() -> int:
    """Run ``argv[2:]``; results go to ``argv[1]``."""
    began_at, begin = time.time(), time.perf_counter()
    with subprocess.Popen(sys.argv[2:]) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    facts = {
        "began_at": began_at,
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / unit,
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is not loaded
        json.dump(facts, file)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
