"""The only room that knows Dagster.

Belongs here: the partition, the asset and its ops, checks, sensor, schedule, jobs, resources, the
instance's storage and launcher, and how runs are asked for. Does not belong here: decisions (they
are plain functions in ``tracking``, ``freshness`` and the stages). An op takes a resource, calls
one domain function and records metadata.
"""
