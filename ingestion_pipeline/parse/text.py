"""Bytes to text: is it text at all, and in which encoding."""

import codecs

_NUL_WINDOW_BYTES = 8_000
_MAX_CONTROL_SHARE = 0.01
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\r\f\x0b\x08\x1b"))
# UTF-32 first: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_MARK_BYTES = tuple(mark for mark, _ in _MARKS)


def decode_source(content: bytes) -> bytes | None:
    r"""Return text as UTF-8 with ``\n`` line ends and no byte order mark, None for binary content.

    Binary is, as in git, a NUL in the first 8,000 bytes (unless a UTF-16 or UTF-32 mark explains
    it), or bytes that are not UTF-8 with more than 1 % of control characters. Other text that is
    not UTF-8 (Latin-1, Shift JIS …) is kept with U+FFFD for every byte that does not decode: its
    ASCII identifiers stay right, and no encoding is guessed.
    """
    if _is_plain(content):
        return content
    text = _decode(content)
    if text is None:
        return None
    if "\n" not in text:
        return text.replace("\r", "\n").encode("utf-8")
    return text.replace("\r\n", "\n").encode("utf-8")


def _is_plain(content: bytes) -> bool:
    """Whether nothing is to do, as for most files: no mark, no NUL, no carriage return, UTF-8."""
    if content.startswith(_MARK_BYTES) or b"\r" in content or b"\0" in content[:_NUL_WINDOW_BYTES]:
        return False
    return content.isascii() or _decode_or_none(content, "utf-8") is not None


def _decode(content: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode_or_none(content[len(mark) :], encoding)
    if b"\0" in content[:_NUL_WINDOW_BYTES]:
        return None
    text = _decode_or_none(content, "utf-8")
    if text is not None:
        return text
    control = len(content) - len(content.translate(None, _CONTROL_BYTES))
    if control > _MAX_CONTROL_SHARE * len(content):
        return None
    return content.decode("utf-8", errors="replace")


def _decode_or_none(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None
