"""Small repositories."""

from pathlib import Path

import ingestion_pipeline
from ingestion_pipeline_tests.git_repositories import Files

CAT: Files = {
    "README.md": "# Cat\n\nPurrs over HTTP.\n",
    "src/purr.py": (
        "from src.voice import meow_loudly\n\n\n"
        'def purr_gently(times):\n    """Purr."""\n    meow_loudly()\n'
    ),
    "src/voice.py": "class Voice:\n    def speak(self):\n        return 1\n\n\n"
    "def meow_loudly():\n    pass\n",
}
CAT_PATHS = {"README.md", "src/purr.py", "src/voice.py"}
# The repository's own, README.md, 60 files of 20 functions.
LIBRARY_POINTS = 1 + 1 + 60 * (1 + 20)


def make_library(folders: int = 6, files: int = 10, functions: int = 20) -> Files:
    """Return a repository of more points than one batch of writes holds."""
    made: dict[str, str] = {"README.md": "# Library\n\nShelves of functions.\n"}
    for folder in range(folders):
        for number in range(files):
            name = f"read_shelf_{folder}_{number}"
            body = "".join(
                f"def {name}_{line}(book):\n    return book.turn({line})\n\n\n"
                for line in range(functions)
            )
            made[f"shelf_{folder}/book_{number}.py"] = body
    return made


def read_own_package() -> Files:
    """Return this project's own package: a real repository for pictures."""
    package = Path(ingestion_pipeline.__file__).parent
    sources = sorted(package.rglob("*.py"))
    return {
        "README.md": "# ingestion_pipeline\n\nKeeps Qdrant true to your repositories.\n",
        **{path.relative_to(package.parent).as_posix(): path.read_bytes() for path in sources},
    }
