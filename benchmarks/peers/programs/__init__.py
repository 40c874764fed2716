"""Programs that run in the peers' virtual environment, each one peer's sync of one folder.

Nothing here is imported by the project: the files are started by path, with only their own folder
and the peers' packages to import from.
"""
