"""Runs one command under limits; started as a script, imports nothing but the standard library.

``python -I -S supervise.py CONTROL_FD TIMEOUT_SECONDS MAX_FILE_BYTES CPU_SECONDS COMMAND…``

The command and everything it starts are killed together when the time is over, or when the other
end of ``CONTROL_FD`` closes, which it also does when our own process is killed: no fetch outlives
the lock that it was started under. Limits are set here, between fork and exec of a process with one
thread, because ``preexec_fn`` is unsafe in a parent with several. Needs only POSIX: Linux, macOS.
macOS lets a process pass RLIMIT_CPU by a few seconds; the time limit holds there too.
"""

import os
import resource
import select
import signal
import sys
import time


def run_command(command: list[str], max_file_bytes: int, cpu_seconds: int) -> None:
    """Replace this process by the command, limits set; never returns."""
    try:
        os.umask(0o077)
        # Python ignores both at its start, and ignored signals stay ignored across exec. SIGXFSZ
        # stays so: writing past the limit then fails with "File too large", which git reports.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        lower_limit(resource.RLIMIT_FSIZE, max_file_bytes)
        lower_limit(resource.RLIMIT_CPU, cpu_seconds)
        os.execv(command[0], command)  # noqa: S606
    finally:
        os._exit(127)


def lower_limit(which: int, value: int) -> None:
    """Set a limit, or leave it where the one in force is lower."""
    hard = resource.getrlimit(which)[1]
    if hard == resource.RLIM_INFINITY or value < hard:
        resource.setrlimit(which, (value, value))


def wait_for(child: int, control_fd: int, wake_fd: int, timeout_seconds: float) -> int:
    """Return the child's exit code, 128 + N after signal N; kill the whole group when told to."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        left = max(0.0, deadline - time.monotonic())
        ready = select.select([control_fd, wake_fd], [], [], left)[0]
        if wake_fd in ready:
            os.read(wake_fd, 512)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if wake_fd not in ready:
            os.killpg(0, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run the command line described in the module's docstring."""
    control_fd, timeout_seconds = int(arguments[0]), float(arguments[1])
    max_file_bytes, cpu_seconds = int(arguments[2]), int(arguments[3])
    os.set_inheritable(control_fd, False)
    wake_fd, woken_fd = os.pipe()
    os.set_blocking(woken_fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken_fd)
    child = os.fork()
    if child == 0:
        run_command(arguments[4:], max_file_bytes, cpu_seconds)
    return wait_for(child, control_fd, wake_fd, timeout_seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
