"""Which paths of a repository are left out: our defaults, its own ignore files, the user's word."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.parse.globs import PatternError
from ingestion_pipeline.parse.ignore_patterns import PatternList, check_pattern

GITIGNORE_NAME = ".gitignore"
IGNORE_FILE_PATH = ".ingestionignore"

# Only what is nearly never source. ``build`` and ``dist`` are packages and tools of many projects
# (``go/src/cmd/dist``); built files in them are mostly told by their names and markers.
_DEFAULTS = {
    "ignored: default": """
        node_modules/ bower_components/ jspm_packages/ vendor/ third_party/ third-party/
        thirdparty/ .venv/ venv/ site-packages/ __pycache__/ __pypackages__/ .tox/ .nox/ .eggs/
        *.egg-info/ .mypy_cache/ .pytest_cache/ .ruff_cache/ .ipynb_checkpoints/ .gradle/
        .terraform/ .next/ .nuxt/ .svelte-kit/ .parcel-cache/ .yarn/ Pods/ Carthage/ DerivedData/
    """,
    "minified": "*.min.js *.min.mjs *.min.css *-min.js *.js.map *.css.map *.map",
    "generated": """
        package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock deno.lock .pnp.cjs
        poetry.lock uv.lock pdm.lock Pipfile.lock Cargo.lock go.sum go.work.sum Gemfile.lock
        composer.lock mix.lock pubspec.lock Podfile.lock Package.resolved packages.lock.json
        flake.lock gradle.lockfile .terraform.lock.hcl
    """,
}
# What a repository may make us do for its ignore files; chromium has 700 lines in 60 files.
MAX_IGNORE_FILES = 500
MAX_IGNORE_FILE_BYTES = 64 << 10
MAX_PATTERNS = 2_000
_LAYERS = ("default", GITIGNORE_NAME, IGNORE_FILE_PATH, "ignore_patterns")
_DEFAULT, _GITIGNORE, _IGNORE_FILE, _USER = range(4)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What holds for a path and, if nothing else is said, for all below.

    Args:
        reason: "" for a path that is not ignored.
        layer: Which one said so, -1 for none.
        gitignores: Of the folders from this one up, each with the length of its path and slash.
    """

    reason: str
    layer: int
    gitignores: tuple[tuple[int, PatternList], ...] = ()


class IgnoreRules:
    """Which files are left out, and why; ``load_ignore_rules`` makes it.

    There are four layers, the stronger ones last: our defaults, the ``.gitignore`` files,
    ``.ingestionignore``, and the user's patterns.
    Within a layer gitignore's rules hold: the last pattern that matches decides, a deeper file
    before one above it, and what is inside an ignored folder cannot be re-included. A stronger
    layer can re-include it, also a part of a folder (``!vendor/ours/``).

    Attributes:
        notes: What of the ignore files was not followed, a sentence each; for the run's log.
    """

    def __init__(
        self,
        gitignores: Mapping[str, PatternList] | None = None,
        ignore_file: PatternList | None = None,
        patterns: PatternList | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.notes = tuple(notes)
        self._defaults = {why: PatternList(lines.split()) for why, lines in _DEFAULTS.items()}
        self._gitignores = dict(gitignores or {})
        strong = ((_USER, patterns), (_IGNORE_FILE, ignore_file))
        self._strong = [(layer, found) for layer, found in strong if found]
        root = self._gitignores.get("")
        self._folders = {"": _Verdict("", -1, ((0, root),) if root else ())}

    def find_reason(self, path: str) -> str:
        """Return why a file is left out, "" for one that is not.

        Args:
            path: Of a file, as in ``TreeEntry``.

        Returns:
            ``ignored: default``, ``ignored: .gitignore``, ``ignored: .ingestionignore``,
            ``ignored: ignore_patterns``, ``minified`` or ``generated``.
        """
        folder, _, name = path.rpartition("/")
        return self._judge(path, name, self._judge_folder(folder), is_folder=False)[0]

    def _judge_folder(self, folder: str) -> _Verdict:
        known = self._folders.get(folder)
        if known is not None:
            return known
        verdict = self._folders[""]
        position = 0
        while position <= len(folder):  # not by recursion: a crafted tree may be thousands deep
            end = folder.find("/", position)
            end = len(folder) if end < 0 else end
            path = folder[:end]
            if path not in self._folders:
                reason, layer = self._judge(path, folder[position:end], verdict, is_folder=True)
                own = self._gitignores.get(path)
                gitignores = ((end + 1, own),) if own is not None else ()
                self._folders[path] = _Verdict(reason, layer, gitignores + verdict.gitignores)
            verdict = self._folders[path]
            position = end + 1
        return verdict

    def _judge(self, path: str, name: str, above: _Verdict, is_folder: bool) -> tuple[str, int]:
        """Return the reason and the layer for a path in a folder that was judged."""
        reason, layer = self._find_last(path, name, above, is_folder)
        if layer < 0 or (not reason and above.reason and above.layer >= layer):
            return above.reason, above.layer
        return reason, layer

    def _find_last(self, path: str, name: str, above: _Verdict, is_folder: bool) -> tuple[str, int]:
        """Return the reason that the strongest layer gives ("" re-includes), -1 if none matches."""
        for layer, patterns in self._strong:
            ignores = patterns.match(path, name, is_folder)
            if ignores is not None:
                return (f"ignored: {_LAYERS[layer]}" if ignores else ""), layer
        for start, patterns in above.gitignores:
            ignores = patterns.match(path[start:], name, is_folder)
            if ignores is not None:
                return (f"ignored: {GITIGNORE_NAME}" if ignores else ""), _GITIGNORE
        for why, patterns in self._defaults.items():
            if patterns.match(path, name, is_folder):
                return why, _DEFAULT
        return "", -1


def load_ignore_rules(
    read_file: Callable[[str], bytes | None],
    gitignore_paths: Sequence[str],
    patterns: Sequence[str] = (),
) -> IgnoreRules:
    """Read a repository's ignore files.

    Args:
        read_file: Returns the content at a path, None where there is no such file.
        gitignore_paths: Of all ``.gitignore`` files in the tree, at any depth.
        patterns: The user's own, checked by ``validate_ignore_patterns``.
    """
    reader = _Reader(read_file)
    defaults = IgnoreRules()
    ignore_file = reader.read(IGNORE_FILE_PATH)
    wanted = [path for path in gitignore_paths if not defaults.find_reason(path)]
    wanted.sort(key=lambda path: (path.count("/"), path))
    if len(wanted) > MAX_IGNORE_FILES:
        reader.notes.append(
            f"{len(wanted):,} {GITIGNORE_NAME} files: only the {MAX_IGNORE_FILES} nearest to the "
            "root are followed."
        )
    gitignores: dict[str, PatternList] = {}
    for path in wanted[:MAX_IGNORE_FILES]:
        found = reader.read(path)
        if found:
            gitignores[path.rpartition("/")[0]] = found
    return IgnoreRules(gitignores, ignore_file, PatternList(patterns), reader.notes)


def validate_ignore_patterns(patterns: Sequence[str]) -> None:
    """Pass if every pattern is sound.

    Raises:
        ConfigurationError: Names the first that is not.
    """
    if len(patterns) > MAX_PATTERNS:
        raise ConfigurationError(f"{len(patterns):,} ignore patterns; give at most {MAX_PATTERNS}.")
    for pattern in patterns:
        try:
            check_pattern(pattern)
        except PatternError as error:
            raise ConfigurationError(
                f"The ignore pattern {pattern[:100]!r} cannot match: {error}. Give one in the "
                "syntax of gitignore (https://git-scm.com/docs/gitignore)."
            ) from error


class _Reader:
    """Reads ignore files within the bounds, and notes what it left out."""

    def __init__(self, read_file: Callable[[str], bytes | None]) -> None:
        self._read_file = read_file
        self._patterns_left = MAX_PATTERNS
        self.notes: list[str] = []

    def read(self, path: str) -> PatternList | None:
        """Return a file's patterns, None where it has none to follow."""
        content = self._read_file(path)
        if content is None:
            return None
        if len(content) > MAX_IGNORE_FILE_BYTES:
            size = MAX_IGNORE_FILE_BYTES >> 10
            self.notes.append(f"{path} is over {size} KiB and is not followed.")
            return None
        patterns = PatternList(content.decode("utf-8", "backslashreplace").split("\n"))
        if len(patterns) > self._patterns_left:
            self.notes.append(
                f"{path} is not followed: the repository's ignore files hold over "
                f"{MAX_PATTERNS:,} patterns."
            )
            return None
        self._patterns_left -= len(patterns)
        return patterns
