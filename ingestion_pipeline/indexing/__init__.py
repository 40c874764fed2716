"""The four steps of a sync as plain functions: clone, parse, embed, upsert.

Each takes ports and the handle of the step before, writes its result to files in the run's work
folder, and returns a small picklable handle, so that a run can be taken up again from the step that
failed. Belongs here: what a step does and in which order. Does not belong here: Dagster, settings,
which adapter is used. The data flows ``clone → parse → embed → upsert``.
"""
