"""GitHub as a code host: REST and GraphQL of github.com or of an Enterprise server.

Belongs here: how GitHub is asked and how its answers become the types of ``core``. Does not belong
here: git itself (``sources.git``), when to ask (``freshness``), what to remember (``state``).
A reference or a list of tracked repositories goes in; ``HostedRepository``, ``FreshnessReport``,
heads and a place to fetch from come out.
"""

from ingestion_pipeline.sources.github.code_host import GitHubCodeHost

__all__ = ["GitHubCodeHost"]
