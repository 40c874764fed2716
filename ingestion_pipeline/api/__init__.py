"""The HTTP door: what other programs reach over the network.

Belongs here: routes, their authentication and their errors. Does not belong here: decisions, which
are plain functions in ``freshness`` and ``tracking``.
"""
