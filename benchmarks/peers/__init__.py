"""The same repository and the same change of eight files, ours and others' incremental indexing.

What is compared is what is computed and what is left behind, not how fast it is: embeddings of the
change, points that say what no file says any more, points that are missing; also after SIGKILL in
the middle of the change. The peers live in a virtual environment of their own.
"""

from benchmarks.peers.section import measure as measure
