"""Repositories of this machine as a code host, by path.

Belongs here: how a folder becomes a ``HostedRepository`` and how its refs are read. Does not belong
here: fetching its objects (``sources.git``), whether local repositories are allowed at all (the
settings). A path goes in; ``HostedRepository``, heads and a path to fetch from come out.
"""

from ingestion_pipeline.sources.local.code_host import LocalCodeHost

__all__ = ["LocalCodeHost"]
