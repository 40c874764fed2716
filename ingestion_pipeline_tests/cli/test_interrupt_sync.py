"""Ctrl-C while several repositories are synced."""

import signal
import subprocess
import sys
from functools import partial

from ingestion_pipeline_tests.cli.home import FILES, CommandHome
from ingestion_pipeline_tests.end_to_end.waiting import wait_for
from ingestion_pipeline_tests.servers.git_http import HANG

MAIN = "from ingestion_pipeline.cli.main import main; main()"


def test_ctrl_c_ends_the_command_and_not_only_one_of_its_repositories(home: CommandHome) -> None:
    for name in ("octo/cat", "octo/dog"):
        home.add_repository(name, FILES)
        home.run("track", name)
    home.git.misbehaviour = HANG
    command = subprocess.Popen(
        [sys.executable, "-c", MAIN, "sync"],
        env=home.make_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    try:
        wait_for(lambda: any(r.method == "POST" for r in home.git.requests), "the fetch")
        command.send_signal(signal.SIGINT)
        _, stderr = command.communicate(timeout=60)
    finally:
        command.kill()
    assert (command.returncode, stderr.split()) == (1, ["Aborted!"])
    assert not any("octo/dog" in request.path for request in home.git.requests)
    home.git.misbehaviour = ""
    assert home.run("sync", "octo/cat", "octo/dog", "--force").count("Indexed octo/") == 2
