"""Messages between the pool and its workers: a length, then that many bytes, over a pipe.

Pickle carries what the parent sends. What a worker answers is MessagePack: it ran the grammars' C
code over hostile bytes, so the parent unpickles nothing of it.
"""

import os
import select

_LENGTH_BYTES = 8
_READ_BYTES = 1 << 20


class FramesClosedError(Exception):
    """The other end of the pipe is gone."""


def write_frame(descriptor: int, message: bytes) -> None:
    """Write one message whole; waits while the pipe is full.

    Raises:
        FramesClosedError: Nobody reads the pipe any more.
    """
    rest = memoryview(len(message).to_bytes(_LENGTH_BYTES, "little") + message)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BrokenPipeError:
        raise FramesClosedError from None


def read_frame(descriptor: int, timeout_seconds: float | None = None) -> bytes:
    """Read one message.

    Args:
        descriptor: Of the pipe.
        timeout_seconds: How long to wait for its first byte, None for ever.

    Raises:
        TimeoutError: Nothing came.
        FramesClosedError: The other end is gone, perhaps in the middle of a message.
    """
    if timeout_seconds is not None:
        poll = select.poll()  # unlike select(), for descriptors over 1,024 too
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max(0.0, timeout_seconds) * 1000):
            raise TimeoutError
    return _read_exactly(
        descriptor, int.from_bytes(_read_exactly(descriptor, _LENGTH_BYTES), "little")
    )


def _read_exactly(descriptor: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length:
        part = os.read(descriptor, min(length, _READ_BYTES))
        if not part:
            raise FramesClosedError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
