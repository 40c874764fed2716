"""The command line: a door like any other.

Belongs here: reading arguments, printing tables. Does not belong here: decisions. Runs are asked
for through ``orchestration``, everything else goes through the use cases over the ports.
"""
