"""What git's complaints mean, and what a person can do about them.

Texts are those of git 2.32 to 2.50 under ``LC_ALL=C``, of the libcurl behind it, and of strerror.
"""

import base64
import binascii
import re
from collections.abc import Callable

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import (
    AuthenticationError,
    ConfigurationError,
    HostNotAllowedError,
    HostUnavailableError,
    IngestionError,
    RateLimitedError,
    RepositoryBlockedError,
    RepositoryForbiddenError,
    RepositoryLimitError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from ingestion_pipeline.sources.git.limits import GitLimits
from ingestion_pipeline.sources.git.process import GitOutcome

MISSING_REF = re.compile(r"couldn't find remote ref|invalid refspec")
FILE_TOO_LARGE = re.compile(r"File too large|signal:? 25")
# git's upload-pack, git's own client on the older protocol, and JGit.
UNKNOWN_OBJECT = re.compile(r"not our ref|unadvertised object|want [0-9a-f]{40,64} not valid")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST_EXCERPT = 400

# The first that matches wins, so causes stand before the symptoms that follow from them.
_PATTERNS: tuple[tuple[str, type[IngestionError], str], ...] = (
    (r"No space left|Disk quota", ConfigurationError, "The disk is full. Free some space."),
    (
        (
            r"returned error: 401|could not read Username|could not read Password"
            r"|Authentication failed|Invalid username or"
        ),
        AuthenticationError,
        (
            "The host asks for credentials: the token is missing, wrong or expired, or the "
            "repository does not exist. Check its name and INGESTION_GITHUB_TOKEN."
        ),
    ),
    (
        r"returned error: 403",
        RepositoryForbiddenError,
        "The token may not read this repository (403). Give it read access to the contents.",
    ),
    (
        r"returned error: (404|410)|repository '[^\n]*' not found",
        RepositoryNotFoundError,
        (
            "It does not exist, or is private and not shown to this token. Check its name and "
            "INGESTION_GITHUB_TOKEN."
        ),
    ),
    (
        r"does not appear to be a git repository|No such file or directory[^\n]*upload-pack",
        RepositoryNotFoundError,
        "There is no git repository any more. Put it back, or untrack it.",
    ),
    (
        r"returned error: 451",
        RepositoryBlockedError,
        "The host blocks it for legal reasons (451). Untrack it.",
    ),
    (
        r"returned error: 429",
        RateLimitedError,
        "The host asks for fewer requests (429). It is tried again later.",
    ),
    (
        r"returned error: 30\d|update the URL|redirect",
        RepositoryUnavailableError,
        (
            "The host redirects to another address, which is never followed with a token. If the "
            "repository was renamed or moved, track it under its present name."
        ),
    ),
    (
        r"transport '[^\n]*' not allowed",
        HostNotAllowedError,
        "The protocol is not allowed. Only http, https and paths of this machine are.",
    ),
    (
        r"certificate|SSL|TLS",
        HostUnavailableError,
        "The encrypted connection failed. Check that this machine trusts the host's certificate.",
    ),
    (
        r"fsck error|fsckObjects|error in packed object",
        RepositoryUnavailableError,
        (
            "The newest commit holds an object that is malformed. Have it repaired with git fsck "
            "and a new commit at the host."
        ),
    ),
    (
        r"dumb http transport|not valid: is this a git repository",
        RepositoryNotFoundError,
        "There is no git server at this address. Check the URL.",
    ),
    (
        (
            r"returned error: (5\d\d|4\d\d)|Could not resolve|Failed to connect|Couldn't connect"
            r"|Connection (refused|reset|timed out)|Empty reply|Recv failure|Send failure|timed out"
            r"|Operation too slow|too slow|early EOF|RPC failed|hung up unexpectedly"
            r"|unexpected disconnect|transfer closed|expected flush"
            r"|unable to access '|bad line length|protocol error|remote error"
        ),
        HostUnavailableError,
        "The host did not answer properly. It is tried again.",
    ),
)
_PERMISSION_DENIED = (
    r"Permission denied",
    RepositoryForbiddenError,
    "This user may not read the repository's files. Grant the right to read.",
)


def explain_failure(
    outcome: GitOutcome, source: FetchSource, limits: GitLimits, received_bytes: int
) -> IngestionError | None:
    """Return the error behind a failed fetch, or None when git's words are not known.

    Args:
        outcome: A command that did not end with 0.
        source: Where it fetched from.
        limits: What it was run under.
        received_bytes: How much of a pack had come in when it ended.
    """
    if outcome.timed_out:
        return _explain_timeout(source, limits, received_bytes)
    # Names may hold any of the words that are looked for, and so may what the server says.
    text = re.sub(r"(?m)^remote: .*$", "", outcome.stderr.replace(source.url, "URL"))
    if FILE_TOO_LARGE.search(text):
        return make_size_error(source.url, limits)
    if re.search(r"signal:? 24|CPU time limit", text):
        return _explain_timeout(source, limits, received_bytes=1)
    for pattern, kind, advice in _choose_patterns(source):
        if re.search(pattern, text):
            return _make(kind, source, advice, outcome.stderr)
    return None


def make_unexplained_error(source: FetchSource, said: str) -> IngestionError:
    """Return the error for words of git that are not known, said of a mirror made from nothing.

    Args:
        source: Where it fetched from.
        said: What git said, scrubbed.
    """
    # A host may do better next time. Objects that a repository of this machine lacks (a partial
    # clone, a broken disk) do not come back by themselves.
    if source.url.startswith("/"):
        return RepositoryUnavailableError(
            f"git could not read {source.url}. Check it with `git fsck`; in a partial clone run "
            f"`git fetch --refetch --no-filter` first. (git: {said})"
        )
    return HostUnavailableError(f"{source.url} could not be fetched. (git: {said})")


def make_size_error(url: str, limits: GitLimits) -> RepositoryLimitError:
    """Return the error for a repository over the limit on its size."""
    history = "even without history" if limits.depth == 1 else f"with {limits.depth:,} commits"
    return RepositoryLimitError(
        f"{url} is larger than {limits.max_repository_bytes / 2**20:g} MiB {history}. "
        "Raise INGESTION_MAX_REPOSITORY_MIB, or lower INGESTION_MAX_FILE_KIB, which leaves more "
        "large files out."
    )


def scrub(text: str, source: FetchSource) -> str:
    """Return one printable line of a command's complaints, secrets replaced by ``***``.

    A server can write to stderr too (``remote: …``) and may repeat what it was sent.
    """
    for secret in _find_secrets(source.authorization):
        text = text.replace(secret, "***")
    text = re.sub(r"(?m)^warning: Skipping unknown msg id .*$\n?", "", text)
    text = re.sub(r"://[^/\s@]+@", "://***@", text)
    text = re.sub(r"(?i)(authorization:\s*)[^\n]+", r"\1***", text)
    line = _CONTROL.sub(" ", text).strip()
    return line if len(line) <= _LONGEST_EXCERPT else f"… {line[-_LONGEST_EXCERPT:]}"


def _find_secrets(authorization: str) -> list[str]:
    """Return the header value, its credential and, for Basic, the password, longest first."""
    scheme, _, credential = authorization.partition(" ")
    secrets = {authorization, credential}
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credential, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            decoded = ""
        secrets |= {decoded, decoded.partition(":")[2]}
    return sorted((secret for secret in secrets if secret), key=len, reverse=True)


def _choose_patterns(source: FetchSource) -> list[tuple[str, type[IngestionError], str]]:
    """Return the patterns that fit: a repository of this machine has no host to be unavailable."""
    if not source.url.startswith("/"):
        return list(_PATTERNS)
    here = [rule for rule in _PATTERNS if not issubclass(rule[1], HostUnavailableError)]
    return [_PERMISSION_DENIED, *here]


def _make(
    kind: Callable[[str], IngestionError], source: FetchSource, advice: str, stderr: str
) -> IngestionError:
    return kind(f"{source.url} could not be fetched. {advice} (git: {scrub(stderr, source)})")


def _explain_timeout(source: FetchSource, limits: GitLimits, received_bytes: int) -> IngestionError:
    if received_bytes == 0:
        return HostUnavailableError(
            f"{source.url} sent nothing within {limits.timeout_seconds:g} s. It is tried again; "
            "INGESTION_CLONE_TIMEOUT_SECONDS sets the limit."
        )
    return RepositoryLimitError(
        f"Fetching {source.url} took longer than {limits.timeout_seconds:g} s "
        f"({received_bytes / 2**20:.1f} MiB had come). Raise INGESTION_CLONE_TIMEOUT_SECONDS."
    )
