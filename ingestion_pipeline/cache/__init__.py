"""A content-addressed cache on disk: bytes under keys, bounded, safe to delete at any time.

Belongs here: how values are kept, checked, evicted. Does not belong here: what they mean.
"""
