"""The environment that every git process gets: nothing of ours, nothing of the user's.

All configuration travels in ``GIT_CONFIG_*`` variables, so no file on disk can add to it, and the
token stands in no argument, URL or file. That needs git 2.32; older ones would ignore it in silence
and are refused.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import ConfigurationError, HostNotAllowedError
from ingestion_pipeline.sources.git.limits import GitLimits

OLDEST_GIT = (2, 32)
_LOCAL_CONFIG = Path(__file__).with_name("serve_local.gitconfig")

# fsck stays on for what would make an object ambiguous or unreadable: broken headers, unsorted
# trees, entries that are missing or stand there twice. The rest is let through. Old repositories
# really have it (dates and e-mails that early tools wrote, zero-padded modes of 2008's GitHub), and
# what is dangerous about the others, ``..``, ``.git`` and the .gitmodules and .gitattributes
# tricks, happens on checkout, which never takes place.
TOLERATED_FSCK = (
    "badDate badDateOverflow badEmail badFilemode badName badTimezone fullPathname "
    "gitattributesBlob gitattributesLarge gitattributesLineLength gitattributesMissing "
    "gitattributesSymlink gitignoreSymlink gitmodulesBlob gitmodulesLarge gitmodulesMissing "
    "gitmodulesName gitmodulesParse gitmodulesPath gitmodulesSymlink gitmodulesUpdate "
    "gitmodulesUrl hasDot hasDotdot hasDotgit largePathname mailmapSymlink missingAuthor "
    "missingCommitter missingEmail missingNameBeforeEmail missingSpaceBeforeDate "
    "missingSpaceBeforeEmail multipleAuthors nulInCommit zeroPaddedDate zeroPaddedFilemode"
).split()

_BASE_CONFIG: Mapping[str, str] = {
    "advice.detachedHead": "false",
    "core.askPass": "",
    # Above this, index-pack streams a blob to disk and never holds it in memory.
    "core.bigFileThreshold": "1m",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.symlinks": "false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    # Always one pack: loose objects would each slip under the limit on a file's size.
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "init.defaultBranch": "main",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    # Mirrors are ours even where the data folder's volume belongs to another user.
    "safe.directory": "*",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
    **{f"fetch.fsck.{name}": "ignore" for name in TOLERATED_FSCK},
}


@lru_cache
def find_git() -> str:
    """Return the absolute path of git.

    Raises:
        ConfigurationError: There is none, or it is too old for the hardening.
    """
    path = shutil.which("git")
    if path is None:
        raise ConfigurationError("git is not installed. Install git 2.32 or later.")
    answer = subprocess.run(
        [path, "version"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    ).stdout
    found = re.search(r"(\d+)\.(\d+)", answer)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        raise ConfigurationError(f"{answer.strip()!r} is too old. Install git 2.32 or later.")
    return path


def build_read_environment() -> dict[str, str]:
    """Return the environment for commands that read objects or refs: no protocol is allowed."""
    return _build(_BASE_CONFIG, protocol="none")


def build_fetch_environment(
    source: FetchSource, limits: GitLimits, *, check_objects: bool = True
) -> dict[str, str]:
    """Return the environment for ``git fetch`` and ``git ls-remote``; ``origin`` is the source.

    Args:
        source: Where to fetch from, and the token.
        limits: For the time limits.
        check_objects: Whether fsck looks at every object that comes in.

    Raises:
        HostNotAllowedError: Neither an http(s) URL nor an absolute path.
        ConfigurationError: The authorization value is not one line of plain text.
    """
    protocol = find_protocol(source.url)
    silence_seconds = max(1, min(60, int(limits.timeout_seconds / 2)))
    config = {
        **_BASE_CONFIG,
        "fetch.fsckObjects": "true" if check_objects else "false",
        f"protocol.{protocol}.allow": "always",
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": str(silence_seconds),
        "remote.origin.url": source.url,
        # Known here only, so that no reading command would ever fetch a missing blob.
        "remote.origin.promisor": "true",
        "remote.origin.partialCloneFilter": "blob:none",
    }
    if source.authorization:
        if not re.fullmatch(r"[\x20-\x7e]+", source.authorization):
            raise ConfigurationError("The token holds a character that no token has. Set it anew.")
        header = f"Authorization: {source.authorization}"
        config[f"http.{source.url}.extraHeader"] = header
    environment = _build(config, protocol)
    if protocol == "file":
        environment["GIT_CONFIG_GLOBAL"] = str(_LOCAL_CONFIG)
    return environment


def find_protocol(url: str) -> str:
    """Return ``http``, ``https`` or ``file``.

    Raises:
        HostNotAllowedError: Anything else.
    """
    if url.startswith("/") and "\0" not in url:
        return "file"
    scheme = url.partition("://")[0]
    if not re.fullmatch(r"https?://[\x21-\x3f\x41-\x7e]+", url):
        raise HostNotAllowedError(
            "git fetches from http(s) URLs without credentials and from absolute paths only."
        )
    return scheme


def _build(config: Mapping[str, str], protocol: str) -> dict[str, str]:
    environment = {
        "PATH": os.pathsep.join((str(Path(find_git()).parent), "/usr/bin", "/bin")),
        # No .netrc, no .curlrc, no user configuration; git takes a missing home in its stride.
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": protocol,
        "GIT_ASKPASS": "/bin/false",
        "GIT_CONFIG_COUNT": str(len(config)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS": "/bin/false",
    }
    for number, (key, value) in enumerate(config.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment
