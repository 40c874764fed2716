"""Whether a vector moved far enough for its point to be written again.

The state keeps a quarter of every vector in the store: each component as int8, scaled by 127 over
the largest of its row. What that rounding can hide is bounded and counted against the new vector,
so a point that is left alone is truly within ``KEPT_COSINE`` of what it would be written as.
"""

import numpy as np
import numpy.typing as npt

KEPT_COSINE = 0.999
_KEPT_ANGLE = float(np.arccos(KEPT_COSINE))
_LARGEST = 127


def quantize(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Return (P, D) int8 for (P, D) float32; a row of zeros stays one."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    largest[largest == 0] = 1
    return np.rint(vectors * (_LARGEST / largest)).astype(np.int8)


def unpack(stored: bytes, rows: int, dim: int) -> npt.NDArray[np.int8] | None:
    """Return ``DocumentState.vectors`` as (P, D), None where it is not known or of another size."""
    if not rows or len(stored) != rows * dim:
        return None
    return np.frombuffer(stored, np.int8).reshape(rows, dim)


def find_kept(
    stored: npt.NDArray[np.int8], vectors: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Tell which of the stored vectors may stay.

    Args:
        stored: (P, D) int8, what the store holds, quantized.
        vectors: (P, D) float32, unit rows, what would be written.

    Returns:
        (P,) bool; True only where the cosine of the two is at least ``KEPT_COSINE``.
    """
    same = (stored == quantize(vectors)).all(axis=1)
    old = stored.astype(np.float32)
    norms = np.linalg.norm(old, axis=1)
    norms[norms == 0] = 1
    cosines = np.einsum("pd,pd->p", old, vectors) / norms
    angles = np.arccos(np.clip(cosines, -1, 1))
    # Rounding moves each component by half a step at most: an angle of sqrt(D) / 2 over the norm.
    hidden = np.arcsin(np.minimum(np.sqrt(stored.shape[1]) / 2 / norms, 1))
    return same | (angles + hidden <= _KEPT_ANGLE)
