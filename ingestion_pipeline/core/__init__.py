"""Plain types and ports that every room shares.

Belongs here: frozen dataclasses, enums, abstract ports, errors, and pure functions on them that
more than one room needs (ids, terms). Does not belong here: input or output, Dagster, torch,
anything that knows a vendor. Imports nothing else of this package.
"""
