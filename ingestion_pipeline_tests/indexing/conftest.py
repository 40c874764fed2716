"""Every sync here is one of a few small files."""

import pytest

from ingestion_pipeline.indexing import embed


@pytest.fixture(autouse=True)
def draw_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the picture: half the time of so small a sync, and no test looks at it."""
    monkeypatch.setattr(embed, "_CODE_MAP_SHARE", 2.0)
