"""The frozen inverse document frequencies that ship with the package."""

from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.embed.hash_table import TABLE_ROWS

IDF_RESOURCE = "data/idf.npz"
# Words in nearly every file keep a little weight; words seen nowhere do not drown the others.
MIN_IDF, MAX_IDF = 0.3, 9.0


def compute_idf(
    document_frequency: npt.NDArray[np.int64], document_count: int
) -> npt.NDArray[np.float16]:
    """Return ln((n + 1) / (df + 1)), clipped, per row of the table."""
    idf = np.log((document_count + 1) / (document_frequency + 1))
    return idf.clip(MIN_IDF, MAX_IDF).astype(np.float16)


@cache
def load_idf() -> npt.NDArray[np.float32]:
    """Return the (TABLE_ROWS,) float32 idf of every row, read-only.

    Frozen, and never of the repository at hand: otherwise one new file would move every vector,
    and vectors of two repositories would not compare. ``docs/encoder.md`` lists what it was
    counted over.
    """
    with (
        resources.files("ingestion_pipeline.embed").joinpath(IDF_RESOURCE).open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        idf = stored["idf"].astype(np.float32)
    assert idf.shape == (TABLE_ROWS,)
    idf.setflags(write=False)
    return idf
