"""Which branch names may be tracked."""

import re
from collections.abc import Sequence

from ingestion_pipeline.core.errors import InvalidRepositoryNameError

# git check-ref-format(1): no control characters, space, ~ ^ : ? * [ \, no "..", "@{", "//", no
# component that begins with "." or ends with ".lock", no "/" or "." at the ends. A leading "-" is
# legal for a ref but not for a branch, and would read as an option.
_FORBIDDEN = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)|^[-/]|[/.]$|^@$|^HEAD$"
)


def validate_branches(branches: Sequence[str]) -> tuple[str, ...]:
    """Return the branch names, duplicates dropped, in the order given.

    Raises:
        InvalidRepositoryNameError: git would not accept one of them as the name of a branch.
    """
    for branch in branches:
        if not branch or _FORBIDDEN.search(branch):
            raise InvalidRepositoryNameError(
                f"{branch!r} is not a branch name. Give it as git shows it, for example main or "
                "release/2.1, without refs/heads/ and without wildcards."
            )
    return tuple(dict.fromkeys(branches))
