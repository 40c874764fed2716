"""Speed and memory, measured side by side: ``python -m benchmarks [name …] [--out FILE]``.

Belongs here: one module per question, each with a ``measure(quick)`` that returns a ``Section``.
Does not belong here: asserts on time (tests never time anything), figures typed in by hand.
Everything runs on loopback and in temporary folders.
"""
