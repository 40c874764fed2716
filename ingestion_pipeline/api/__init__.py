"""The HTTP door: what other programs, and people's browsers, reach over the network.

Belongs here: routes, who may use them, their errors, the page. Does not belong here: decisions,
which are plain functions in ``freshness``, ``tracking`` and ``orchestration``.
"""
