"""Where the shards of the embedded store lie on disk, and how they appear and vanish there.

::

    root/
    ├── <collection>/          one Edge shard: edge_config.json, segments, wal
    ├── .new/<collection>/     a shard being created; renamed when it is complete
    ├── .dropped/<collection>/ a shard being deleted
    ├── .aliases/<alias>       name of the collection that the alias stands for
    └── .locks/                lock files; never deleted, which would split the waiters

A collection exists from the moment of one rename and is gone from the moment of another, so a crash
leaves nothing half made. Creating and dropping need the collection's lock, listing does not.
"""

import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestion_pipeline.core.errors import ConfigurationError, StoreMismatchError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CONFIG = "edge_config.json"
_OPTIMIZER_LEFTOVERS = "temp_segments"

# Edge 0.9.0 maps its files into memory, and a page that the disk has no room for ends the process
# with SIGBUS, a reader's too. Measured: a new shard takes 14 MiB, its first batch 31 MiB more.
LEAST_FREE_BYTES = 128 * 1024 * 1024


class EdgeFolder:
    """The folder of one embedded store.

    Args:
        root: Created with the first collection.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def locks(self) -> Path:
        """Folder of the lock files."""
        return self._root / ".locks"

    def locate(self, collection: str) -> Path:
        """Return the folder of a collection, which need not exist.

        Raises:
            ConfigurationError: The name cannot be a folder's.
        """
        if not _NAME.fullmatch(collection):
            raise ConfigurationError(
                f"{collection!r} cannot name a collection of the embedded store: use up to 128 "
                "letters, digits, dots, dashes and underscores, a letter or digit first."
            )
        return self._root / collection

    def exists(self, collection: str) -> bool:
        """Return whether the collection is there, whole."""
        return (self.locate(collection) / _CONFIG).is_file()

    def list_collections(self) -> list[str]:
        """Return the names of all collections, sorted."""
        if not self._root.is_dir():
            return []
        return sorted(
            entry.name
            for entry in self._root.iterdir()
            if _NAME.fullmatch(entry.name) and (entry / _CONFIG).is_file()
        )

    def require_space(self) -> None:
        """Pass when the disk has room for a batch; called before Edge touches its files.

        Raises:
            ConfigurationError: It has not.
        """
        here = next(path for path in (self._root, *self._root.parents) if path.exists())
        free_bytes = shutil.disk_usage(here).free
        if free_bytes < LEAST_FREE_BYTES:
            raise ConfigurationError(
                f"The disk of {self._root} has only {free_bytes / 2**20:.0f} MiB free; the "
                f"embedded point store needs {LEAST_FREE_BYTES / 2**20:.0f} MiB. Free some space, "
                "or set INGESTION_DATA_DIR to another disk."
            )

    def create(self, collection: str, build: Callable[[Path], None]) -> None:
        """Let ``build`` fill a new folder and make it the collection in one step."""
        self.require_space()
        unfinished = self._root / ".new" / collection
        self._clear(unfinished)
        unfinished.mkdir(parents=True)
        build(unfinished)
        unfinished.rename(self.locate(collection))
        _sync(self._root)

    def drop(self, collection: str) -> None:
        """Delete the collection; nothing happens when there is none."""
        dropped = self._root / ".dropped" / collection
        self._clear(dropped)
        if self.exists(collection):
            dropped.parent.mkdir(parents=True, exist_ok=True)
            self.locate(collection).rename(dropped)
            _sync(self._root)
            self._clear(dropped)

    def set_alias(self, alias: str, collection: str) -> None:
        """Make a name stand for a collection.

        Raises:
            StoreMismatchError: There is no such collection, or the alias is the name of one.
        """
        if not self.exists(collection):
            raise StoreMismatchError(
                f"Collection {collection!r} does not exist. Create it before an alias names it."
            )
        if self.exists(alias):
            raise StoreMismatchError(
                f"{alias!r} cannot be an alias: a collection is called so. Choose another name, or "
                "drop that collection."
            )
        path = self._root / ".aliases" / alias
        path.parent.mkdir(exist_ok=True)
        # A name of its own for each writer: two may set the same alias at once.
        building = path.with_name(f".{alias}.{os.getpid()}.{threading.get_ident()}")
        with building.open("w", encoding="utf-8") as file:
            file.write(collection)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
        _sync(path.parent)

    def find_alias(self, alias: str) -> str | None:
        """Return the collection that a name stands for; None for none, or for one that is gone."""
        self.locate(alias)
        try:
            collection = (self._root / ".aliases" / alias).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return collection if _NAME.fullmatch(collection) and self.exists(collection) else None

    def clear_leftovers(self, collection: str) -> None:
        """Remove what an optimizer run left behind when its process was killed.

        Edge 0.9.0 builds segments in a temporary folder and never looks at an abandoned one again.
        """
        self._clear(self.locate(collection) / _OPTIMIZER_LEFTOVERS)

    def read_config(self, collection: str) -> dict[str, Any]:
        """Return what Edge 0.9.0 wrote about the collection's vectors.

        Raises:
            StoreMismatchError: The file cannot be read.
        """
        path = self.locate(collection) / _CONFIG
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreMismatchError(
                f"Collection {collection!r} of the embedded store is damaged: {path} cannot be "
                f"read ({error}). Move its folder away and materialize the repositories again."
            ) from error

    @staticmethod
    def _clear(path: Path) -> None:
        if path.exists():
            shutil.rmtree(path)


def _sync(folder: Path) -> None:
    # Without this a power cut can undo the rename after it was reported as done.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
