"""The files of a run's vectors: arrays that live on disk, so that memory stays free."""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.replacement import ArtifactError


def create_vectors(path: Path, rows: int, dim: int, dtype: type[np.floating]) -> np.memmap:
    """Return a new (rows, dim) array of zeros, mapped from a file that is replaced if it exists.

    Its disk space is taken now: a page of a mapped file that the disk has no room for would end the
    process with SIGBUS.

    Raises:
        OSError: There is not enough; ENOSPC.
    """
    vectors = np.lib.format.open_memmap(path, "w+", dtype, (rows, dim))
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return vectors


def read_vectors(path: Path, dtype: type[np.floating]) -> npt.NDArray[Any]:
    """Return (N, D) vectors as a read-only memory map: pages are read when used.

    Raises:
        ArtifactError: The file is missing, damaged, or holds something else.
    """
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ArtifactError(path, "is not there") from None
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(path, f"cannot be read ({error})") from error
    if vectors.ndim != 2 or vectors.dtype != dtype:
        wanted = f"(N, D) {np.dtype(dtype)}"
        raise ArtifactError(path, f"holds {vectors.shape} {vectors.dtype}, not {wanted}")
    return vectors


def release_pages(vectors: npt.NDArray[np.floating]) -> None:
    """Take the pages of a memory map out of this process's memory; nothing of them is lost.

    They stay in the file, and for a while in the kernel's cache, and come back when they are used.
    An array that is no memory map is left alone, and so is one where the system knows no such call.

    Raises:
        ValueError: A copy-on-write map, of which what was written would be lost.
    """
    if getattr(vectors, "mode", "") == "c":
        raise ValueError("Pages of a copy-on-write map cannot be released without a loss.")
    if isinstance(vectors.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        vectors.base.madvise(mmap.MADV_DONTNEED)
