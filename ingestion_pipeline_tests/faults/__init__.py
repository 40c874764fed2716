"""Faults of the world around a sync, with real parts: processes, git, disks, Qdrant, the parser.

Each test breaks something, lets the next sync run, and compares the store with that of a clean
index in a home of its own. What crashes at every single write leave is tested over fakes, in
``indexing``; here it is whether the real parts keep the promises that the fakes make.
"""
