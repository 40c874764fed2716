"""What is left out by path, with git itself as the judge of gitignore syntax."""

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.parse import ignore
from ingestion_pipeline.parse.ignore import (
    IgnoreRules,
    load_ignore_rules,
    validate_ignore_patterns,
)
from ingestion_pipeline.parse.ignore_patterns import PatternList


def load(files: dict[str, str], *patterns: str) -> IgnoreRules:
    contents = {path: text.encode() for path, text in files.items()}
    gitignores = [path for path in files if path.endswith(".gitignore")]
    return load_ignore_rules(contents.get, gitignores, patterns)


@pytest.fixture(scope="module")
def ask_git(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str], list[str]], set]:
    """Return which of some paths git ignores under given ``.gitignore`` files."""
    root = tmp_path_factory.mktemp("ignored")
    subprocess.run(["git", "init", "-q", root], check=True)

    def ask(files: dict[str, str], paths: list[str]) -> set[str]:
        for old in set(root.iterdir()) - {root / ".git"}:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(text.encode())
        done = subprocess.run(
            ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"],
            cwd=root,
            input="\0".join(paths).encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return set(done.stdout.decode().split("\0")) - {""}

    return ask


parts = st.sampled_from(["a", "b", "ab", "a.b", "x y", "-", "]", "A", "!a", "#a", "aab"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
# Nothing but ASCII: to git a ``?`` is a byte, here it is a character.
# No bracket or backslash before a slash: to git the slash is then one more character.
# No ``a**/b``: git cuts the literal head off, and then takes what is left for a real ``**/``.
glob_parts = st.lists(
    st.sampled_from(
        ["a", "b", ".", "*", "?", "[ab]", "[!a]", "[^-]", "[a-b]", "[]-]", "[b-a]",
         "[[:alpha:]]", "\\*", "\\a", "!", "#", " ", "-", "]", "[\\]]", "y"]
    ),
    min_size=1,
    max_size=4,
).map(lambda pieces: re.sub(r"\*+", "*", "".join(pieces)))  # fmt: skip
lines = st.builds(
    lambda sign, start, segments, end: sign + start + "/".join(segments) + end,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/", "**/", "/**/"]),
    st.lists(glob_parts | parts | st.just("**"), min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**", " ", "\\ ", "\r", "/*"]),
)
ignore_texts = st.lists(lines, max_size=4).map("\n".join)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from([".gitignore", "zz/.gitignore", "zz/dd/.gitignore"]), ignore_texts
    ),
    st.lists(
        st.builds(str.__add__, st.sampled_from(["", "zz/", "zz/dd/"]), paths),
        max_size=12,
        unique=True,
    ),
)
def test_gitignore_files_mean_what_they_mean_to_git(ask_git, files, paths):
    rules = load(files)

    ours = {path for path in paths if rules.find_reason(path)}

    assert ours == ask_git(files, paths)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("src/a.py", ""),
        ("a/node_modules/b/c.js", "ignored: default"),
        ("vendor/x.go", "ignored: default"),
        ("vendor", ""),
        ("src/build/dist/a.py", ""),
        ("pkg.egg-info/PKG-INFO", "ignored: default"),
        ("static/jquery.min.js", "minified"),
        ("web/yarn.lock", "generated"),
        ("go.sum", "generated"),
    ],
)
def test_what_is_left_out_by_default(path: str, reason: str):
    assert IgnoreRules().find_reason(path) == reason


def test_a_stronger_layer_brings_back_what_a_weaker_one_ignores():
    rules = load(
        {
            ".gitignore": "out/\n*.log\n!vendor/theirs/\n",
            ".ingestionignore": "!vendor/ours/\n!out/keep.py\ndocs/\n!poetry.lock\n",
        },
        "!docs/api/",
        "secret*",
    )
    expected = {
        "vendor/x.go": "ignored: default",
        "vendor/ours/x.go": "",
        "vendor/ours/node_modules/x.js": "ignored: default",
        "vendor/theirs/x.go": "",
        "vendor/ours/x.log": "ignored: .gitignore",
        "out/x.py": "ignored: .gitignore",
        "out/keep.py": "",
        "docs/x.py": "ignored: .ingestionignore",
        "docs/api/x.py": "",
        "docs/api/secret.py": "ignored: ignore_patterns",
        "poetry.lock": "",
        "uv.lock": "generated",
    }

    assert {path: rules.find_reason(path) for path in expected} == expected


def test_ignore_files_inside_ignored_folders_are_not_even_read():
    read: list[str] = []

    def read_file(path: str) -> bytes:
        read.append(path)
        return b"!*"

    rules = load_ignore_rules(read_file, ["node_modules/a/.gitignore", ".gitignore"])

    assert read == [".ingestionignore", ".gitignore"]
    assert rules.notes == ()


def test_too_many_or_too_large_ignore_files_are_left_out_with_a_note(monkeypatch):
    monkeypatch.setattr(ignore, "MAX_IGNORE_FILES", 2)
    monkeypatch.setattr(ignore, "MAX_PATTERNS", 3)
    monkeypatch.setattr(ignore, "MAX_IGNORE_FILE_BYTES", 1 << 10)

    rules = load(
        {
            ".ingestionignore": "#" * 2_000,
            ".gitignore": "a\nb\n",
            "x/.gitignore": "c\nd\n",
            "x/y/.gitignore": "e\n",
        }
    )

    assert [note.split(" is ")[0] for note in rules.notes] == [
        ".ingestionignore",
        "3 .gitignore files: only the 2 nearest to the root are followed.",
        "x/.gitignore",
    ]
    assert rules.find_reason("a") == "ignored: .gitignore"
    assert rules.find_reason("x/c") == ""


@pytest.mark.parametrize("pattern", ["*a" * 200 + "b", "**/a/" * 90 + "b", "[!b]*" * 90 + "b"])
def test_a_hostile_pattern_and_a_hostile_path_end(pattern: str):
    rules = IgnoreRules(patterns=PatternList([pattern]))

    assert rules.find_reason("a" * 4_000) == ""
    assert rules.find_reason("a/" * 2_000 + "a") == ""


@pytest.mark.parametrize("line", ["[a", "a\\", "!", "/", "# a", "", "a" * 501])
def test_a_line_that_cannot_match_is_as_good_as_none(line: str):
    rules = IgnoreRules(patterns=PatternList([line, "b"]))

    assert [rules.find_reason(path) for path in ("a", "[a", line or "c")] == ["", "", ""]
    assert rules.find_reason("b") == "ignored: ignore_patterns"


def test_bytes_that_are_not_utf8_are_matched_as_paths_are_written():
    rules = load_ignore_rules({".gitignore": b"caf\xe9\n"}.get, [".gitignore"])

    assert rules.find_reason("caf\\xe9") == ""  # a backslash escapes in a pattern
    assert rules.find_reason("cafe") == ""


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("[a", "never closed"),
        ("a\\", "escapes nothing"),
        ("!", "names nothing"),
        ("/", "names nothing"),
        ("a\nb", "line end"),
        ("[[:nope:]]", "unknown class"),
        ("a" * 501, "over 500"),
        ("# \ud800", "surrogate"),
    ],
)
def test_a_bad_pattern_is_named(pattern: str, problem: str):
    with pytest.raises(ConfigurationError, match=problem) as caught:
        validate_ignore_patterns(["*.py", pattern])
    assert repr(pattern[:100]) in str(caught.value)


def test_good_patterns_pass():
    validate_ignore_patterns(["*.py", "!docs/**", "# why", "", "a b\\ ", "/x/[a-z]?"])
    with pytest.raises(ConfigurationError, match="at most"):
        validate_ignore_patterns(["a"] * 2_001)
