"""Services that cost nothing, supervised in a process of its own that tests can signal.

``python -m ingestion_pipeline_tests.cli.stand_ins GRACE_SECONDS KIND…``
"""

import os
import sys
from functools import partial
from pathlib import Path

from ingestion_pipeline.cli.supervising import Service, Supervisor
from ingestion_pipeline_tests.postgres import find_free_port

IMPORTS = "import signal, socket, subprocess, sys\n"
LISTEN = "listener = socket.create_server(('127.0.0.1', {port}))\n"
KINDS = {
    "polite": IMPORTS
    + "try:\n"
    + f"    {LISTEN}"
    + "    signal.pause()\n"
    + "except KeyboardInterrupt:\n"
    + "    print('polite was interrupted')\n",
    # Its child is what git is to a run: in a session of its own, where no Ctrl-C arrives.
    "deaf": IMPORTS
    + "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    + "subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
    + LISTEN
    + "while True:\n"
    + "    signal.pause()\n",
    "short": IMPORTS + "sys.exit(3)\n",
}


def make_service(kind: str) -> Service:
    """Return a service of a kind on a port of its own."""
    port = find_free_port()
    command = (sys.executable, "-c", KINDS[kind].format(port=port))
    return Service(kind, command, "127.0.0.1", port, f"--{kind}-port")


def make_supervisor(kinds: list[str], grace_seconds: float) -> Supervisor:
    """Return a supervisor of one service of each kind."""
    services = [make_service(kind) for kind in kinds]
    say = partial(print, flush=True)
    return Supervisor(services, Path.cwd(), os.environ, say, grace_seconds)


if __name__ == "__main__":
    make_supervisor(sys.argv[2:], float(sys.argv[1])).run()
