"""Git repositories of any size made from the real source that this environment has installed.

The standard library and every installed package are cut into units (a package, or the loose modules
of a folder); a repository takes whole units, drawn by seed, until it has its files. Where the
installed source is not enough, further editions of the same units follow under folders of their
own, each file with a header line of its own and some of its names changed, so that no two blobs of
a repository are equal. Commits on top touch files at random. The same seed in the same environment
gives the same commits.
"""

import hashlib
import os
import random
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ingestion_pipeline_tests.git_repositories import GitRepository, run_git

_COMMENTS = {
    **dict.fromkeys(("py", "pyi", "sh", "rb", "pyx", "pxd"), (b"# ", b"")),
    **dict.fromkeys(("h", "hpp", "c", "cc", "cpp", "cuh", "cu", "js", "ts", "tsx"), (b"// ", b"")),
    "md": (b"<!-- ", b" -->"),
}
# What a repository keeps out of sight of an index; a corpus without it has no skipped files.
_UNUSUAL = frozenset(
    "__pycache__ _vendor _vendored bin build data dist docs_build external extern node_modules obj "
    "out site-packages target third_party thirdparty vendor vendored venv".split()
)
_GENERATED = re.compile(r"\.min\.|[.-]bundle\.|_pb2|\.generated\.|lextab|yacctab")
_MAX_BYTES, _MAX_LINE_BYTES = 120_000, 5_000
_DEFINITION = re.compile(rb"^[ \t]*(?:def|class|function)[ \t]+([A-Za-z_]\w{3,})", re.MULTILINE)
_RENAMED_PER_FILE = 3
_COMMITS = 40
_START_EPOCH_SECONDS = 1_704_067_200
_AUTHOR = b"Ada Lovelace <ada@example.com>"


@dataclass(frozen=True, slots=True)
class _Source:
    """One file on this machine and where it goes."""

    file: Path
    path: str
    edition: int = 1


@dataclass(frozen=True, slots=True)
class Corpus:
    """A repository and what is in it.

    Args:
        repository: Takes further commits.
        paths: Files at the head, sorted.
        size_bytes: Of all of them together, before the commits on top.
    """

    repository: GitRepository
    paths: tuple[str, ...]
    size_bytes: int

    def read(self, path: str) -> str:
        """Return a file at the head."""
        return run_git(self.repository.path, "show", f"HEAD:{path}").decode()

    def list_head(self) -> dict[str, str]:
        """Return path → blob id at the head."""
        listed = self.repository.git("ls-tree", "-r", "-z", "HEAD").split("\0")
        rows = (line.split("\t", 1) for line in listed if line)
        return {path: meta.split()[2] for meta, path in rows}

    def check_out(self, folder: Path, commit: str = "HEAD") -> None:
        """Make a folder hold exactly a commit's files; those that stay the same are not touched."""
        folder.mkdir(parents=True, exist_ok=True)
        index = folder.with_name(f"{folder.name}.index")
        git = ["git", f"--git-dir={self.repository.path / '.git'}", f"--work-tree={folder}"]
        subprocess.run(
            [*git, "read-tree", "--reset", "-u", commit],
            env={**os.environ, "GIT_INDEX_FILE": str(index)},
            check=True,
            capture_output=True,
        )


def make_corpus(folder: Path, count: int, *, seed: int = 0, commits: int = _COMMITS) -> Corpus:
    """Write a repository of exactly ``count`` files with history.

    Args:
        folder: Where to make it; must not exist.
        count: Files at the head.
        seed: Another one takes other units, names and edits.
        commits: On top of the first; each edits some files or adds new ones.
    """
    repository = GitRepository(folder, bare=False)
    writer = _HistoryWriter(random.Random(f"history {seed}"), count, commits)
    command = ["git", "-C", str(folder), "-c", "core.compression=1", "-c", "pack.compression=1"]
    command += ["fast-import", "--quiet", "--date-format=raw", "--depth=0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for part in writer.write(_take_distinct(count, seed)):
            process.stdin.write(part)
    if process.returncode:
        raise RuntimeError(f"git fast-import ended with {process.returncode}.")
    repository.commit_count = commits + 1
    return Corpus(repository, tuple(sorted(writer.paths)), writer.size_bytes)


class _HistoryWriter:
    """Turns files into a fast-import stream: blobs first, then the commits that bring them."""

    def __init__(self, draw: random.Random, count: int, commits: int) -> None:
        self.paths: list[str] = []
        self.size_bytes = 0
        self._draw = draw
        self._commits = commits
        # So many files of the head were edited, or added, by each commit on top of the first.
        self._edited = min(count // 4, commits * max(2, min(20, count // 500)))
        self._edits: dict[str, bytes] = {}

    def write(self, files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
        """Yield the stream."""
        for number, (path, content) in enumerate(files, start=1):
            self.paths.append(path)
            self.size_bytes += len(content)
            if len(self._edits) < self._edited * 4 and path.endswith(".py"):
                self._edits[path] = content
            yield b"blob\nmark :%d\ndata %d\n%s\n" % (number, len(content), content)
        chosen = self._draw.sample(sorted(self._edits), min(self._edited, len(self._edits)))
        late = dict.fromkeys(chosen[: len(chosen) // 4])
        first = [
            b"M 100644 :%d %s\n" % (number, _quote(path))
            for number, path in enumerate(self.paths, start=1)
            if path not in late
        ]
        yield self._head(0, b"First files") + b"".join(first)
        for number in range(1, self._commits + 1):
            some = chosen[number - 1 :: self._commits]
            yield self._head(number, b"Change %d" % number)
            yield b"".join(self._edit(path, number) for path in some)

    def _head(self, number: int, message: bytes) -> bytes:
        when = _START_EPOCH_SECONDS + 60 * (number + 1)
        who = b"committer %s %d +0000\n" % (_AUTHOR, when)
        return b"commit refs/heads/main\n%sdata %d\n%s\n" % (who, len(message), message)

    def _edit(self, path: str, number: int) -> bytes:
        content = append_function(self._edits[path], f"change_{number}_of_{_name(path)}")
        return b"M 100644 inline %s\ndata %d\n%s\n" % (_quote(path), len(content), content)


def append_function(content: bytes, name: str) -> bytes:
    """Return Python source with one more function at its end."""
    body = f'\n\ndef {name}(values):\n    """Return what {name} adds up."""\n'
    return content.rstrip(b"\n") + f"\n{body}    return sum(values)\n".encode()


def _take_distinct(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` files of different content, edition after edition.

    Raises:
        RuntimeError: Editions bring nothing new any more.
    """
    seen: set[bytes] = set()
    for edition in range(1, 1000):
        before = len(seen)
        for source in _list_sources(count, seed, edition):
            content = _read(source)
            digest = hashlib.sha1(content, usedforsecurity=False).digest()
            if not content or digest in seen:
                continue
            seen.add(digest)
            yield source.path, content
            if len(seen) == count:
                return
        if len(seen) == before:
            break
    raise RuntimeError(f"The installed source is not enough for {count:,} files.")


def _list_sources(count: int, seed: int, edition: int) -> Iterator[_Source]:
    """Yield the files of whole units in drawn order; none may be over a fifth of the repository."""
    draw = random.Random(f"units {seed} {edition}")
    units = sorted(_list_units().items())
    draw.shuffle(units)
    for name, (root, files) in units:
        for file in files[: max(count // 5, 20)]:
            inner = file.relative_to(root).as_posix()
            top = name if edition == 1 else f"edition_{edition}/{name}"
            yield _Source(file, f"{top}/{inner}", edition)


def _list_units() -> dict[str, tuple[Path, list[Path]]]:
    """Return folder in the repository → where it comes from and its files, sorted."""
    units: dict[str, tuple[Path, list[Path]]] = {}
    for kind, key in (("lib", "stdlib"), ("packages", "purelib")):
        root = Path(sysconfig.get_path(key))
        for entry in sorted(root.iterdir()):
            if entry.is_dir() and _is_usual(entry.name) and entry.suffix != ".dist-info":
                found = [file for file in sorted(entry.rglob("*")) if _is_source(file, entry)]
                if found:
                    units[f"{kind}/{entry.name}"] = (entry, found)
        loose = [file for file in sorted(root.glob("*.py")) if _is_source(file, root)]
        if loose:
            units[f"{kind}/modules"] = (root, loose)
    return units


def _is_source(file: Path, root: Path) -> bool:
    inner = file.relative_to(root)
    return (
        file.suffix[1:] in _COMMENTS
        and all(_is_usual(part) for part in inner.parts)
        and not _GENERATED.search(file.name)
        and file.is_file()
        and not file.is_symlink()
        and 0 < file.stat().st_size <= _MAX_BYTES
    )


def _is_usual(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _UNUSUAL


def _read(source: _Source) -> bytes:
    """Return the content of this edition, b"" for what an index would skip."""
    content = source.file.read_bytes().replace(b"\r\n", b"\n")
    if not content.strip() or b"\0" in content:
        return b""
    if max(map(len, content.split(b"\n"))) > _MAX_LINE_BYTES:
        return b""
    try:
        content.decode()
    except UnicodeDecodeError:
        return b""
    return content if source.edition == 1 else _edit_edition(content, source)


def _edit_edition(content: bytes, source: _Source) -> bytes:
    before, after = _COMMENTS[source.file.suffix[1:]]
    names = sorted(set(_DEFINITION.findall(content[:40_000])))
    if names:
        draw = random.Random(source.path)
        chosen = draw.sample(names, min(_RENAMED_PER_FILE, len(names)))
        pattern = re.compile(rb"\b(" + b"|".join(chosen) + rb")\b")
        content = pattern.sub(rb"\1_e%d" % source.edition, content)
    header = f"Edition {source.edition} of {source.path}.".encode()
    return b"%s%s%s\n%s" % (before, header, after, content)


@dataclass(frozen=True, slots=True)
class Delta:
    """A commit that changes few files.

    Args:
        modified: Files with one more function and one changed.
        shrunk: Files that lost their second half.
        deleted: Files that went.
        moved: Old path → new path, content untouched.
        added: New files.
        before: Commit id of the parent.
        after: Commit id.
    """

    modified: tuple[str, ...]
    shrunk: tuple[str, ...]
    deleted: tuple[str, ...]
    moved: dict[str, str]
    added: tuple[str, ...]
    before: str
    after: str

    @property
    def changed(self) -> int:
        """Number of files that it is about."""
        groups = (self.modified, self.shrunk, self.deleted, self.moved, self.added)
        return sum(len(group) for group in groups)


# Of every eight changed files: what happens to them.
_MIX = ("modified", "modified", "modified", "shrunk", "deleted", "deleted", "moved", "added")


def make_delta(corpus: Corpus, changed: int = 8, *, seed: int = 0) -> Delta:
    """Commit a change of ``changed`` files in the mix of 3 : 1 : 2 : 1 : 1.

    Three modified, one shrunk, two deleted, one moved, one added.
    """
    repository = corpus.repository
    before = repository.head()
    kinds = [_MIX[number % len(_MIX)] for number in range(changed)]
    drawn = iter(_draw_files(corpus, changed, seed))
    groups: dict[str, list[str]] = {kind: [] for kind in _MIX}
    for kind in kinds:
        groups[kind].append(next(drawn))
    files: dict[str, str | None] = dict.fromkeys(groups["deleted"])
    for path in groups["modified"]:
        files[path] = _modify(corpus.read(path), f"added_{seed}_to_{_name(path)}")
    for path in groups["shrunk"]:
        files[path] = _shrink(corpus.read(path))
    moved = {path: _move(path, seed) for path in groups["moved"]}
    for old, new in moved.items():
        files |= {old: None, new: corpus.read(old)}
    added = {_beside(path, f"added_{seed}"): path for path in groups["added"]}
    for path, pattern in added.items():
        files[path] = _rename_all(corpus.read(pattern), f"_of_{_name(path)}")
    after = repository.commit(files, f"Change {changed} files")
    modified, shrunk, deleted = (tuple(groups[k]) for k in ("modified", "shrunk", "deleted"))
    return Delta(modified, shrunk, deleted, moved, tuple(added), before, after)


def _draw_files(corpus: Corpus, count: int, seed: int) -> Sequence[str]:
    """Return Python files of an ordinary size with at least four functions."""
    present = sorted(path for path in corpus.list_head() if path.endswith(".py"))
    draw = random.Random(f"delta {seed} {len(present)}")
    draw.shuffle(present)
    chosen: list[str] = []
    for path in present:
        content = corpus.read(path)
        if 2_000 < len(content) < 30_000 and len(_DEFINITION.findall(content.encode())) >= 4:
            chosen.append(path)
        if len(chosen) == count:
            return chosen
    raise RuntimeError(f"The corpus has only {len(chosen)} files that a delta could be made of.")


def _modify(content: str, name: str) -> str:
    found = list(_DEFINITION.finditer(content.encode()))
    middle = found[len(found) // 2].group(1).decode()
    renamed = re.sub(rf"\b{re.escape(middle)}\b", f"{middle}_anew", content)
    return append_function(renamed.encode(), name).decode()


def _rename_all(content: str, suffix: str) -> str:
    """Return a file in which everything that is defined has another name: as good as new."""
    names = sorted({name.decode() for name in _DEFINITION.findall(content.encode())})
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b")
    return pattern.sub(rf"\1{suffix}", content)


def _shrink(content: str) -> str:
    """Cut a file before the definition at the margin that is nearest below its middle."""
    starts = [m.start() for m in re.finditer(r"^(?:def|class|@|async def)", content, re.MULTILINE)]
    half = [start for start in starts if start > len(content) // 3]
    return content[: half[0]].rstrip() + "\n" if half else content[: len(content) // 2]


def _move(path: str, seed: int) -> str:
    name = PurePosixPath(path)
    return str(name.parent / f"moved_{seed}" / name.name)


def _beside(path: str, prefix: str) -> str:
    name = PurePosixPath(path)
    return str(name.with_name(f"{prefix}_{name.name}"))


def _name(path: str) -> str:
    return re.sub(r"\W", "_", PurePosixPath(path).stem)


def _quote(path: str) -> bytes:
    """Return a path in git's C-style quotes, every byte in octal."""
    return b'"' + b"".join(b"\\%03o" % byte for byte in path.encode()) + b'"'
