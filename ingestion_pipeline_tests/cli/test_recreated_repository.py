"""A repository deleted at the host and made anew under its name: two sources, one name."""

import shutil

from ingestion_pipeline_tests.cli.home import KEY, CommandHome


def test_the_points_of_both_can_be_purged(home: CommandHome) -> None:
    old = home.add_repository(files={"old.py": "def purr_of_old():\n    pass\n"})
    home.run("track", KEY)
    home.run("sync")
    home.github.delete(KEY)
    shutil.rmtree(old.path)
    home.add_repository(files={"new.py": "def purr_of_new():\n    pass\n"})

    refused = home.refuse("track", KEY)
    assert f"ingestion-pipeline untrack {KEY} --purge" in refused
    home.run("untrack", KEY)
    home.run("track", KEY)
    home.run("sync")
    assert len({payload["source"] for payload in home.read_points().values()}) == 2

    purged = home.run("untrack", KEY, "--purge")
    assert purged == f"Untracked {KEY} and deleted 6 points.\n"
    assert home.read_points() == {}
