"""What ops hand each other on disk: records and vectors, so that a run can resume.

Belongs here: the layouts of those files, their versions, and writing them whole or not at all.
Does not belong here: what stands in them (``parse`` and ``embed`` make it), nor where they lie (a
run's working folder is the orchestration's business).

The data flows ``parse`` → records file → ``graph`` and ``embed`` → vectors file → ``points``.
These files live as long as one run; an unreadable one is answered by running again
from the first op, never by guessing.

Nothing is imported here: a parse worker needs ``records`` alone, and starts in half the time
without pyarrow and pandas.
"""
