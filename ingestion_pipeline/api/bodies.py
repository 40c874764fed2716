"""Reading a request's body, no more of it than may be there."""

import asyncio

from fastapi import Request


class BodyTooLargeError(Exception):
    """The body is over the cap, or says so."""


async def read_body(request: Request, most_bytes: int, seconds: float) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: It is over the cap, or says so.
        TimeoutError: It arrives too slowly.
        ClientDisconnect: It ended early.
    """
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise BodyTooLargeError
    chunks = bytearray()
    async with asyncio.timeout(seconds):
        async for chunk in request.stream():
            chunks += chunk
            if len(chunks) > most_bytes:
                raise BodyTooLargeError
    return bytes(chunks)
