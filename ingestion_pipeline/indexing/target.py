"""Where a sync writes and by which rules."""

from dataclasses import dataclass, field

from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.indexing.rules import IndexRules


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """Where a sync writes, by which rules, and what identifies the pipeline that does.

    Args:
        state: The state store.
        store: The point store.
        collection: Collection of this content and encoder version.
        fingerprint: Of the pipeline and the rules.
        rules: Which files are indexed.
        serving: Collection that searches ask while another encoder is rolled out, "" for the same;
            see ``rollout``.
    """

    state: StateStore
    store: PointStore
    collection: str
    fingerprint: str
    rules: IndexRules = field(default_factory=lambda: IndexRules(1024 * 1024))
    serving: str = ""

    @property
    def retiring(self) -> str:
        """The collection that still answers and is not written any more, "" for none."""
        return "" if self.serving == self.collection else self.serving
