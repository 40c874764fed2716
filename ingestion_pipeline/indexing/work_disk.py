"""Running out of disk under a run's work folder: an error with advice, never a signal."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion_pipeline.core.errors import PermanentError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class WorkDiskFullError(PermanentError):
    """The disk of the work folder has no room for the files between the steps."""


@contextmanager
def explaining_full_disk(folder: Path) -> Iterator[None]:
    """Say what to do when the disk of a work folder is full.

    Raises:
        WorkDiskFullError: It is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise WorkDiskFullError(
            f"The disk of {folder} is full ({error.strerror}). The index is as it was. Make room "
            "there, then run again from the first op."
        ) from error
