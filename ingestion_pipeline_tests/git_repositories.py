"""Real git repositories for tests: made with git's own plumbing, the same ids every time.

Files are written with ``git fast-import``, so names may hold any bytes and nothing needs a work
tree. Commit number N of a repository is dated N minutes after the start of 2024.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_START_EPOCH_SECONDS = 1_704_067_200  # 2024-01-01T00:00:00Z
_AUTHOR = "Ada Lovelace <ada@example.com>"


@dataclass(frozen=True, slots=True)
class Symlink:
    """Content of a symlink: where it points."""

    target: str


@dataclass(frozen=True, slots=True)
class Submodule:
    """A submodule entry: the commit it pins."""

    commit_sha: str = "1" * 40


@dataclass(frozen=True, slots=True)
class Executable:
    """Content of a file with the executable bit."""

    content: str


Content = str | bytes | Symlink | Submodule | Executable | None
Files = Mapping[str, Content] | Mapping[bytes, Content] | Mapping[str | bytes, Content]


def run_git(folder: Path, *arguments: str | bytes, stdin: bytes = b"") -> bytes:
    """Run git with nobody's configuration and return its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=stdin,
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


class GitRepository:
    """A repository that a test writes commits into.

    Args:
        path: Where to make it; must not exist.
        files: First commit on the default branch; None leaves the repository empty.
        bare: False makes a work tree; commits still go to the objects only.
        default_branch: What HEAD points at.
        object_format: ``sha1`` or ``sha256``.
    """

    def __init__(
        self,
        path: Path,
        files: Files | None = None,
        *,
        bare: bool = True,
        default_branch: str = "main",
        object_format: str = "sha1",
    ) -> None:
        self.path = path
        self.default_branch = default_branch
        self.commit_count = 0
        path.mkdir(parents=True)
        kind = ["--bare"] if bare else []
        self.git(
            *("init", "--quiet", "--template=", f"--initial-branch={default_branch}"),
            *(f"--object-format={object_format}", *kind, "."),
        )
        if files is not None:
            self.commit(files)

    def git(self, *arguments: str | bytes, stdin: bytes = b"") -> str:
        """Run git in the repository and return its output, stripped."""
        return run_git(self.path, *arguments, stdin=stdin).decode("utf-8", "replace").strip()

    def commit(
        self, files: Files, message: str = "Change files", *, branch: str = "", orphan: bool = False
    ) -> str:
        """Commit changed files on a branch and return the commit's sha.

        Args:
            files: Path → content; None deletes.
            message: Commit message.
            branch: Made from nothing when it does not exist; default: the default branch.
            orphan: Forget the branch's history and files, as a force push of something new does.
        """
        branch = branch or self.default_branch
        keep = not orphan and branch in self.list_branches()
        changes = [_write_change(path, content) for path, content in files.items()]
        self._import(branch, message, b"".join(changes), keep=keep)
        return self.head(branch)

    def rename(self, old: str, new: str, *, branch: str = "") -> str:
        """Commit the move of a file or folder and return the commit's sha."""
        branch = branch or self.default_branch
        change = b"R %s %s\n" % (_quote(old.encode()), _quote(new.encode()))
        self._import(branch, f"Rename {old}", change, keep=True)
        return self.head(branch)

    def commit_tree(self, rows: Sequence[tuple[str, str, str, bytes]], *, branch: str = "") -> str:
        """Commit a root tree written entry by entry, checks left out.

        Args:
            rows: Mode, kind, object id and raw name, as ``git mktree`` takes them.
            branch: Moved to the new commit, which has no parent.
        """
        lines = b"".join(
            f"{mode} {kind} {sha}\t".encode() + name + b"\0" for mode, kind, sha, name in rows
        )
        tree = self.git("mktree", "-z", "--missing", stdin=lines)
        return self.commit_object(f"tree {tree}\n", branch=branch)

    def commit_object(self, head: str, *, branch: str = "") -> str:
        """Commit with these headers in front, at the next minute; its parents are those named."""
        who = f"{_AUTHOR} {self._next_time()}"
        text = f"{head}author {who}\ncommitter {who}\n\nx\n"
        sha = self.write_object("commit", text.encode())
        self.git("update-ref", f"refs/heads/{branch or self.default_branch}", sha)
        return sha

    def write_object(self, kind: str, content: bytes) -> str:
        """Write a loose object unchecked and return its id."""
        return self.git("hash-object", "-t", kind, "-w", "--literally", "--stdin", stdin=content)

    def create_branch(self, name: str, at: str = "") -> None:
        """Create or move a branch; ``at`` is a branch or commit, default: the default branch."""
        self.git("update-ref", f"refs/heads/{name}", at or f"refs/heads/{self.default_branch}")

    def delete_branch(self, name: str) -> None:
        """Delete a branch."""
        self.git("update-ref", "-d", f"refs/heads/{name}")

    def rename_default_branch(self, name: str) -> None:
        """Rename the default branch."""
        self.git("branch", "-m", self.default_branch, name)
        self.git("symbolic-ref", "HEAD", f"refs/heads/{name}")
        self.default_branch = name

    def head(self, branch: str = "") -> str:
        """Return a branch's head sha."""
        return self.git("rev-parse", f"refs/heads/{branch or self.default_branch}")

    def list_branches(self) -> list[str]:
        """Return the branches' names."""
        return self.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/").splitlines()

    def _import(self, branch: str, message: str, changes: bytes, *, keep: bool) -> None:
        ref = f"refs/heads/{branch}".encode()
        text = message.encode()
        stream = (
            (b"" if keep else b"reset %s\n" % ref)
            + b"commit %s\ncommitter %s %s\n" % (ref, _AUTHOR.encode(), self._next_time().encode())
            + b"data %d\n%s\n" % (len(text), text)
            + (b"from %s^0\n" % ref if keep else b"")
            + changes
        )
        self.git("fast-import", "--quiet", "--force", "--date-format=raw", stdin=stream)

    def _time(self) -> str:
        return f"{_START_EPOCH_SECONDS + 60 * self.commit_count} +0000"

    def _next_time(self) -> str:
        self.commit_count += 1
        return self._time()


def _write_change(path: str | bytes, content: Content) -> bytes:
    name = _quote(path if isinstance(path, bytes) else path.encode())
    if content is None:
        return b"D %s\n" % name
    if isinstance(content, Submodule):
        return b"M 160000 %s %s\n" % (content.commit_sha.encode(), name)
    mode, data = b"100644", content
    if isinstance(content, Symlink):
        mode, data = b"120000", content.target
    if isinstance(content, Executable):
        mode, data = b"100755", content.content
    raw = data.encode() if isinstance(data, str) else data
    assert isinstance(raw, bytes)
    return b"M %s inline %s\ndata %d\n%s\n" % (mode, name, len(raw), raw)


def _quote(path: bytes) -> bytes:
    """Return a path in git's C-style quotes, every byte in octal."""
    return b'"' + b"".join(b"\\%03o" % byte for byte in path) + b'"'
