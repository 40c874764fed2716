"""What a verification found, in numbers, examples and plain words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MAX_EXAMPLES = 20


class Fault(StrEnum):
    """What can be wrong with a branch; the value says it after a number."""

    UNKNOWN_FILE = "files of the tree are not in the state"
    MISSING_POINT = "points of the state are not in the store"
    GONE_FILE = "files of the state are not in the tree"
    ORPHAN_POINT = "points in the store belong to no indexed file"
    UNTRACKED_BRANCH = "points are of a branch that is not tracked"
    OTHER_CONTENT = "files are indexed with another content than the tree's"
    OTHER_CONTEXT = "files are indexed under another name, version or rule"
    PENDING = "files are waiting for a write that never ended"
    WRONG_POINT = "points say another file, content or commit than the state"
    UNFINISHED = "sync of the branch never ended"
    OTHER_COLLECTION = "points are in another collection than the settings name"


MISSING = frozenset({Fault.UNKNOWN_FILE, Fault.MISSING_POINT})
ORPHAN = frozenset({Fault.GONE_FILE, Fault.ORPHAN_POINT, Fault.UNTRACKED_BRANCH})
WRONG = frozenset(Fault) - MISSING - ORPHAN


@dataclass(slots=True)
class BranchReport:
    """What is wrong with one branch.

    Args:
        branch: Its name.
        checked: Points of it that were looked at, in the store.
        counts: What is wrong → how often.
        examples: What is wrong → up to ``MAX_EXAMPLES`` of it.
        notes: What could not be compared, and why; no fault.
    """

    branch: str
    checked: int = 0
    counts: dict[Fault, int] = field(default_factory=dict[Fault, int])
    examples: dict[Fault, list[str]] = field(default_factory=dict[Fault, list[str]])
    notes: list[str] = field(default_factory=list[str])

    def add(self, fault: Fault, example: str = "", count: int = 1) -> None:
        """Count a fault."""
        self.counts[fault] = self.counts.get(fault, 0) + count
        shown = self.examples.setdefault(fault, [])
        if example and len(shown) < MAX_EXAMPLES:
            shown.append(example)

    def count(self, faults: frozenset[Fault]) -> int:
        """Return how often any of these was found."""
        return sum(self.counts.get(fault, 0) for fault in faults)

    def describe(self) -> Iterator[str]:
        """Yield a line for each kind of fault, and for each note."""
        for fault, count in self.counts.items():
            shown = self.examples[fault]
            more = ", …" if count > len(shown) else ""
            examples = f": {', '.join(shown)}{more}" if shown else ""
            yield f"{self.branch}: {count:,} {fault}{examples}"
        for note in self.notes:
            yield f"{self.branch}: {note}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What is wrong with one repository.

    Args:
        partition_key: Which.
        branches: Tracked ones first, then those that should not be there.
    """

    partition_key: str
    branches: Sequence[BranchReport]

    @property
    def is_true(self) -> bool:
        """Whether tree, state and store agree, as far as they were compared."""
        return not any(branch.counts for branch in self.branches)

    @property
    def checked(self) -> int:
        """Points that were looked at."""
        return sum(branch.checked for branch in self.branches)

    def count(self, faults: frozenset[Fault]) -> int:
        """Return how often any of these was found, in all branches."""
        return sum(branch.count(faults) for branch in self.branches)

    def describe(self) -> list[str]:
        """Return a line for each kind of fault of each branch, and for each note."""
        return [line for branch in self.branches for line in branch.describe()]
