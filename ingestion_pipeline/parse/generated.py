"""Files that a tool wrote: their words are the tool's, and they drown those that people wrote."""

import re

# A marker stands in a comment near the top, as those who set the conventions ask for:
# https://pkg.go.dev/cmd/go#hdr-Generate_Go_files_by_processing_source, https://generated.at,
# https://github.com/dotnet/roslyn/blob/main/src/Compilers/Core/Portable/InternalUtilities/GeneratedCodeUtilities.cs
_HEAD_BYTES = 2_000
_HEAD_LINES = 20
_COMMENT = rb"^[ \t]*(?://|#|/\*|\*|--|;|<!--|%|\(\*|\"\"\")"
_MARKER = re.compile(
    _COMMENT
    + rb"[^\n]{0,300}?(?:@generated\b|<auto-?generated\b|"
    + rb"generated\b[^\n]{0,300}?\bdo not (?:edit|modify)\b)",
    re.IGNORECASE | re.MULTILINE,
)


def is_generated(source: bytes) -> bool:
    """Whether a comment in the first lines says that a tool wrote the file.

    Args:
        source: UTF-8 text.
    """
    head = b"\n".join(source[:_HEAD_BYTES].split(b"\n", _HEAD_LINES)[:_HEAD_LINES])
    return _MARKER.search(head) is not None
