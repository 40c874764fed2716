"""A content-addressed cache on disk: bytes under keys, bounded, safe to delete at any time.

Belongs here: how values are kept, checked, evicted. Does not belong here: what they mean.

``ContentCache`` is the way in. Whatever goes wrong with it costs time and is logged, and never
fails its caller: a value that cannot be read whole is one that was never there.
"""

from ingestion_pipeline.cache.content_cache import ContentCache

__all__ = ["ContentCache"]
