"""A Qdrant server whose upserts can be refused or left without an answer."""

import threading
from pathlib import Path

from ingestion_pipeline_tests.servers.qdrant_rest import QdrantRestServer, ReceivedRequest


class UpsertFaultsServer(QdrantRestServer):
    """Counts upserts alone: the paths of reads look the same.

    Args:
        root: Folder of the collections.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.refuses_upserts = False
        self.silent_at = 0
        self.fell_silent = threading.Event()
        self._upserts = 0

    def fall_silent_at(self, number: int) -> None:
        """Never answer the upsert of this number, counted from now on, from 1."""
        self._upserts, self.silent_at = 0, number
        self.fell_silent.clear()

    def note(self, request: ReceivedRequest) -> None:
        """Order the fault for the request that just arrived."""
        super().note(request)
        if request.method != "PUT" or not request.path.endswith("/points"):
            return
        self._upserts += 1
        if self.refuses_upserts:
            self.answer_next(1, status=400, on=request.path)
        elif self._upserts == self.silent_at:
            self.stay_silent_next(1, on=request.path)
            self.fell_silent.set()
