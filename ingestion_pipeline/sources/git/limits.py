"""How much of a repository may come in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Bounds of one mirror.

    Args:
        max_repository_bytes: Of the mirror on disk, and of every single file git writes; twice as
            much may be on disk for the moment in which a mirror is rebuilt. The list of commits
            beside it, which only serves to count them, may take a quarter of this in addition.
        max_file_bytes: Larger blobs are never read, and not fetched where that can be avoided.
        timeout_seconds: Wall time of one fetch, and how long to wait for another one's lock.
        max_tree_entries: Files of one commit. A tree of a few kilobytes can name billions of files
            by naming the same subtree over and over, so size alone is no bound.
        max_packs: Every fetch adds a pack; with more than this many, the small ones are merged.
        depth: Commits in a row that a branch is fetched with, the newest first; each with its
            trees.
    """

    max_repository_bytes: int
    max_file_bytes: int
    timeout_seconds: float
    max_tree_entries: int = 1_000_000
    max_packs: int = 50
    depth: int = 1
