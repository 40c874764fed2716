"""Which tracked repositories are stale, and why.

Belongs here: the comparison of what hosts say with what was indexed, the delay after failures, the
choice of what is asked about and of what runs now, what a webhook says, and the words for all of
it. Does not belong here: asking for runs (``orchestration``), talking to a host (``sources``),
renaming rows (``tracking``).

A tick of the sensor begins with ``make_standings`` → ``choose_due`` and ends with
``plan_next_check``. The way through one check, the same for sensor, schedule and command line:
``ask_hosts`` → follow renames (``tracking``) → ``collect_evidence`` → ``decide_all`` →
``store_findings`` → ``select_runs`` → ``summarize``.
"""
