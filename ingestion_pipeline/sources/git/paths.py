"""File names as text: git allows any bytes but NUL, payloads hold Unicode."""

import re

# A backslash that a reader would take for the start of one of our own escapes.
_LOOKS_ESCAPED = re.compile(r"\\(?=x(?:[89a-f][0-9a-f]|5c))")
_ESCAPE = re.compile(r"\\x([89a-f][0-9a-f]|5c)")


def escape_path(raw: bytes) -> str:
    r"""Return a path as text, one text for each path.

    UTF-8 stays as it is. A byte that is not UTF-8 becomes ``\xNN``; a backslash that already stands
    before such a sequence becomes ``\x5c``, so that a file named ``caf\xe9`` in ASCII and one named
    so in Latin-1 stay two files.
    """
    text = _LOOKS_ESCAPED.sub(r"\\x5c", raw.decode("utf-8", "surrogateescape"))
    # Surrogates 0xDC80 to 0xDCFF stand for the bytes 0x80 to 0xFF.
    return re.sub("[\udc80-\udcff]", lambda m: f"\\x{ord(m[0]) - 0xDC00:02x}", text)


def unescape_path(path: str) -> bytes:
    """Return the bytes that ``escape_path`` made ``path`` from."""
    text = _ESCAPE.sub(lambda m: chr(0xDC00 + int(m[1], 16)) if m[1] != "5c" else "\\", path)
    return text.encode("utf-8", "surrogateescape")
