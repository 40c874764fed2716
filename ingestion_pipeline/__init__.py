"""Keeps Qdrant true to the repositories a team tracks.

The data flows ``sources → parse → graph → embed → points``, and ``state`` remembers what was
written. The rooms of that road never import each other: they meet through the types and ports of
``core``. ``tracking``, ``freshness`` and ``search`` are the use cases over the ports,
``composition`` builds the adapters from ``settings``, ``orchestration`` is the only room that
knows Dagster, and ``cli`` is a door.
"""
