"""Two commits of one repository, and what a clean index of each says."""

import subprocess
from pathlib import Path

from ingestion_pipeline_tests.faults.installation import IndexedPoints, Installation
from ingestion_pipeline_tests.git_repositories import Files, GitRepository

FIRST: Files = {
    "README.md": "# Cat\n\nPurrs, and says so.\n",
    "src/purr.py": (
        "from src.voice import raise_voice\n\n\n"
        'def purr(times):\n    """Purr."""\n    return raise_voice(times)\n\n\n'
        "def purr_twice():\n    return purr(2)\n\n\ndef purr_thrice():\n    return purr(3)\n"
    ),
    "src/voice.py": (
        "class Voice:\n    def speak(self):\n        return 1\n\n    def whisper(self):\n"
        "        return 0\n\n\ndef raise_voice(times):\n    return Voice().speak() * times\n"
    ),
    "src/hunt.go": (
        "package src\n\nfunc Hunt() int { return Lurk() }\n\nfunc Lurk() int { return 1 }\n"
    ),
    "lib/nap.rb": "class Nap\n  def start\n    1\n  end\n\n  def stop\n    2\n  end\nend\n",
    "lib/eat.js": "export function eat(food) { return chew(food) }\nfunction chew(food) {}\n",
    "lib/old.sh": "groom() { echo groom; }\nscratch() { groom; }\n",
}
# One modified, one shrunk, one deleted, one moved, one added.
CHANGE: Files = {
    "src/purr.py": (
        "from src.sound.voice import raise_voice\n\n\n"
        'def purr(times):\n    """Purr."""\n    return raise_voice(times)\n'
    ),
    "src/hunt.go": (
        "package src\n\nfunc Hunt() int { return Lurk() + 1 }\n\nfunc Lurk() int { return 2 }\n"
    ),
    "src/voice.py": None,
    "src/sound/voice.py": FIRST["src/voice.py"],
    "lib/old.sh": None,
    "lib/drink.c": "int sip(void) { return 1; }\n\nint drink(void) { return sip() + sip(); }\n",
}
ADDED = "lib/drink.c"


class Scene:
    """The repository, with ``main`` at either commit.

    Args:
        folder: For the repository and the clean indexes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.git = GitRepository(folder / "origin.git", FIRST)
        self.first = self.git.head()
        self.second = self.git.commit(CHANGE)
        self._expected: dict[str, IndexedPoints] = {}

    def show(self, sha: str) -> None:
        """Let ``main`` be at a commit."""
        self.git.create_branch("main", sha)

    def install(self, folder: Path, **options: object) -> Installation:
        """Return a home that indexes this repository."""
        return Installation(folder, self.git.path, options)

    def expect(self, sha: str) -> IndexedPoints:
        """Return the clean index of a commit; leaves ``main`` there."""
        self.show(sha)
        if sha not in self._expected:
            clean = self.install(self._locate_clean(sha))
            clean.sync()
            self._expected[sha] = clean.read_points()
        return self._expected[sha]

    def install_indexed(self, folder: Path, sha: str, **options: object) -> Installation:
        """Return a home in which that commit is indexed; leaves ``main`` there."""
        self.expect(sha)
        # ``cp`` keeps the holes of Edge's files, some 200 MB of them.
        command = ["cp", "-a", "--", f"{self._locate_clean(sha)}/.", str(folder)]
        subprocess.run(command, check=True)
        return self.install(folder, **options)

    def _locate_clean(self, sha: str) -> Path:
        return self._folder / f"clean-{sha[:8]}"
