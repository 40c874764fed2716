"""Which entries of a tree are read."""

from dataclasses import replace

import pytest

from ingestion_pipeline.core.code import SkippedFile, TreeEntry
from ingestion_pipeline.parse.ignore import IgnoreRules
from ingestion_pipeline.parse.ignore_patterns import PatternList
from ingestion_pipeline.parse.selection import select_entries

SHA = "c" * 40
EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def make_entry(path: str = "src/a.py", mode: str = "100644", size_bytes: int = 10) -> TreeEntry:
    return TreeEntry(path=path, mode=mode, blob_sha=SHA, size_bytes=size_bytes)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (make_entry(mode="120000"), "symlink"),
        (make_entry(size_bytes=101), "too large"),
        (replace(make_entry(size_bytes=-1), blob_sha=EMPTY_BLOB), "empty"),
        (make_entry("pkg/__init__.py", size_bytes=0), "empty"),
        (make_entry("img/Logo.PNG"), "binary"),
        (make_entry("../escape.py"), "unsafe path"),
        (make_entry("/etc/passwd"), "unsafe path"),
        (make_entry("a/.GIT/config"), "unsafe path"),
    ],
)
def test_entries_without_text_are_skipped_with_the_reason(entry: TreeEntry, reason: str):
    assert select_entries([entry], max_file_bytes=100) == (
        [],
        [SkippedFile(path=entry.path, blob_sha=entry.blob_sha, reason=reason)],
    )


def test_what_the_rules_ignore_is_skipped_before_its_size_or_name_counts():
    rules = IgnoreRules(patterns=PatternList(["docs/"]))
    entries = [
        make_entry("node_modules/a.js"),
        make_entry("docs/logo.png"),
        make_entry("poetry.lock", size_bytes=-1),
        make_entry("src/app.min.js"),
        make_entry("src/app.js", size_bytes=-1),
        make_entry("vendor/lib", mode="160000"),
    ]

    selected, skipped = select_entries(entries, 100, rules)

    assert selected == [entries[4]]
    assert [file.reason for file in skipped] == [
        "ignored: default",
        "ignored: ignore_patterns",
        "generated",
        "minified",
        "submodule",
    ]


def test_a_submodules_commit_is_no_blob():
    entry = make_entry("vendor/lib", mode="160000", size_bytes=-1)

    assert select_entries([entry], 100)[1] == [SkippedFile("vendor/lib", "", "submodule")]


def test_all_other_files_are_read_in_order():
    entries = [
        make_entry("b.py", size_bytes=100),
        make_entry("a", mode="100755", size_bytes=1),
        make_entry(".github/workflows/ci.yml"),
        make_entry("img/logo.svg"),
    ]

    assert select_entries(entries, max_file_bytes=100) == (entries, [])
