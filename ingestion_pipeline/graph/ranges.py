"""Many short ranges at once: the step that the vectorised look-ups share."""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer]


def expand_ranges(starts: Integers, counts: Integers) -> npt.NDArray[np.int64]:
    """Return ``starts[i], starts[i] + 1, …`` for ``counts[i]`` numbers, for every i in turn."""
    counts = counts.astype(np.int64, copy=False)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total)


def make_offsets(counts: Integers) -> npt.NDArray[np.int64]:
    """Return (len + 1,) int64, where each row begins, and the end of the last."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets
