"""Families: languages whose files import one another and share one space of names."""

_FAMILIES = {
    "javascript": "javascript",
    "typescript": "javascript",
    "tsx": "javascript",
    "jsx": "javascript",
    "c": "c",
    "cpp": "c",
}


def get_family(language: str) -> str:
    """Return the family of a language, for most languages their own name."""
    return _FAMILIES.get(language, language)
