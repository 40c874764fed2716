"""What the programs of all peers share: arguments, a counting embedder, a store that is watched.

``python PROGRAM FOLDER STATE JOURNAL [--die-at N] [--dump FILE]`` indexes a folder into the state
folder. Every embedding call and every write to the store is a step; the journal gets a line for it
before anything happens, and the process kills itself with SIGKILL at step N.
"""

import argparse
import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient  # pyright: ignore[reportMissingImports]

CHUNK_CHARS = 1000
DIMENSIONS = 64
COLLECTION = "code"
WRITES = ("upsert", "upload_points", "delete")


class Journal:
    """Counts steps, and dies at one of them.

    Args:
        path: Lines ``kind count``; appended to, so that they outlive the process.
        die_at: Number of the step, from 0; None never dies.
    """

    def __init__(self, path: Path, die_at: int | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._die_at = die_at
        self._steps = 0
        self.lock = threading.RLock()

    def step(self, kind: str, count: int = 1) -> None:
        """Note one step, or die at it."""
        with self.lock:
            os.write(self._file, f"{kind} {count}\n".encode())
            if self._steps == self._die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self._steps += 1

    def embed(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for every text: noise that depends on the text alone."""
        self.step("embed", len(texts))
        return [_make_vector(text) for text in texts]


def _make_vector(text: str) -> list[float]:
    digest = hashlib.sha512(text.encode("utf-8", "replace")).digest()
    return [byte / 127.5 - 1.0 for byte in digest]


@dataclass(frozen=True, slots=True)
class Task:
    """What one start of a program has to do.

    Args:
        folder: Files to index.
        state: The peer's own files, kept from one start to the next.
        journal: Notes what is done.
    """

    folder: Path
    state: Path
    journal: Journal

    def open_store(self) -> QdrantClient:
        """Open Qdrant's local mode; its writes are steps, one at a time, before and after."""
        store = QdrantClient(path=str(self.state / "qdrant"), force_disable_check_same_thread=True)
        for name in WRITES:
            setattr(store, name, self._watch(getattr(store, name), name))
        return store

    def _watch(self, write: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with self.journal.lock:
                self.journal.step(f"before-{name}")
                done = write(*arguments, **options)
                self.journal.step(f"after-{name}")
                return done

        return call


def run(sync: Callable[[Task], None], read_point: Callable[[dict[str, Any]], list[str]]) -> None:
    """Do what the command line asks for.

    Args:
        sync: The peer at work.
        read_point: Takes a point's payload, returns its path and its text.
    """
    parser = argparse.ArgumentParser()
    for name in ("folder", "state", "journal"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--die-at", type=int)
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    sync(Task(options.folder, options.state, Journal(options.journal, options.die_at)))
    if options.dump is not None:
        options.dump.write_text(json.dumps([read_point(p) for p in _scroll(options.state)]))


def _scroll(state: Path) -> Iterator[dict[str, Any]]:
    store = QdrantClient(path=str(state / "qdrant"))
    offset = None
    while True:
        points, offset = store.scroll(COLLECTION, limit=1000, offset=offset)
        yield from (dict(point.payload or {}) for point in points)
        if offset is None:
            break
    store.close()


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
