"""What one file may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds on one file; a file over one of them becomes a ``SkippedFile``.

    Args:
        max_file_bytes: Larger contents are skipped as ``too large``. A backstop for callers that
            did not ask ``select_entries`` with a limit of their own.
        max_line_bytes: A longer line marks minified or generated code; skipped as ``long lines``.
            Markdown is exempt, because pictures are inlined there.
        timeout_seconds: Wall time for tree-sitter's parse of one file; it usually takes
            milliseconds, but a grammar can blow up on hostile input. Checked when tree-sitter calls
            back, which it may leave for long: 29 s were seen once with a limit of 10 s.
        max_depth: How many symbols may stand inside one another; deeper ones are not listed and
            what they call counts for the innermost listed one.
        max_memory_bytes: Address space of a worker of ``ParsePool`` (Linux); about 0.4 GB of it are
            the interpreter and its libraries.
    """

    max_file_bytes: int = 10_000_000
    max_line_bytes: int = 20_000
    timeout_seconds: float = 10.0
    max_depth: int = 4
    max_memory_bytes: int = 3 << 30


DEFAULT_LIMITS = ParseLimits()
