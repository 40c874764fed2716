"""Which entries of a listed tree are worth reading at all."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from ingestion_pipeline.core.code import SkippedFile, TreeEntry
from ingestion_pipeline.parse.ignore import IgnoreRules

_SUBMODULE_MODE = "160000"
_SPECIAL_MODES = {"120000": "symlink", _SUBMODULE_MODE: "submodule"}
_UNSAFE_PARTS = frozenset(("", ".", "..", ".git"))
_BINARY_EXTENSIONS = frozenset(
    f".{extension}"
    for extension in (
        "7z a avi avif bin bmp bz2 class db dll dmg doc docx dylib eot exe flac gif gz h5 heic "
        "icns ico iso jar jpeg jpg keystore lib lz4 m4a mkv mo mov mp3 mp4 mpeg npy npz o ogg "
        "onnx otf parquet pdf pickle pkl png ppt pptx psd pt pth pyc pyd pyo rar rlib "
        "safetensors so sqlite sqlite3 tar tgz tif tiff ttf wasm wav webm webp whl wmv woff woff2 "
        "xls xlsx xz zip zst"
    ).split()
)


# Git's object ids of no bytes at all, in SHA-1 and SHA-256 repositories.
_EMPTY_BLOBS = frozenset(
    (
        "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
        "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
    )
)


def select_entries(
    tree: Sequence[TreeEntry], max_file_bytes: int, rules: IgnoreRules | None = None
) -> tuple[list[TreeEntry], list[SkippedFile]]:
    """Split a tree into the entries to read and those to skip, each with its reason, in order.

    An empty file (``__init__.py``, ``.gitkeep``) holds no words, so a point for it would answer no
    search; it is skipped as ``empty``. What the name does not tell, ``parse_file`` finds out.

    Args:
        tree: The files listed at a commit.
        max_file_bytes: Larger blobs are skipped; of one whose size is not known (-1) the parser
            finds out.
        rules: What to leave out by path; None for nothing.
    """
    selected: list[TreeEntry] = []
    skipped: list[SkippedFile] = []
    for entry in tree:
        reason = _find_reason(entry, max_file_bytes, rules)
        if reason:
            blob_sha = "" if entry.mode == _SUBMODULE_MODE else entry.blob_sha
            skipped.append(SkippedFile(path=entry.path, blob_sha=blob_sha, reason=reason))
        else:
            selected.append(entry)
    return selected, skipped


def _find_reason(entry: TreeEntry, max_file_bytes: int, rules: IgnoreRules | None) -> str:
    """Return why an entry is skipped, "" for one to read; the first that holds wins."""
    if entry.mode in _SPECIAL_MODES:
        return _SPECIAL_MODES[entry.mode]
    if _is_unsafe(entry.path):
        return "unsafe path"
    ignored = rules.find_reason(entry.path) if rules is not None else ""
    if ignored:
        return ignored
    checks = (
        (PurePosixPath(entry.path.lower()).suffix in _BINARY_EXTENSIONS, "binary"),
        (entry.size_bytes > max_file_bytes, "too large"),
        (entry.size_bytes == 0 or entry.blob_sha in _EMPTY_BLOBS, "empty"),
    )
    return next((reason for holds, reason in checks if holds), "")


def _is_unsafe(path: str) -> bool:
    """Whether git would refuse to check the path out: crafted trees can hold ``..`` or ``.git``."""
    parts = path.lower().split("/")
    return any(part in _UNSAFE_PARTS for part in parts) or "\0" in path
