"""A process that dies at a chosen write, for any object that implements a port."""

from typing import Any


class Crash(BaseException):
    """Stands for the death of the process: nothing after it runs, nothing may catch it."""


class CrashPlan:
    """Counts the writes of all proxies that share it and dies at one of them.

    Args:
        at_write: Number of the write to die at, from 0; None never dies.
        before: Die before the write takes effect, else right after it did.
    """

    def __init__(self, at_write: int | None, *, before: bool) -> None:
        self._at_write = at_write
        self._before = before
        self.writes = 0

    def perform(self, write: Any, *args: Any, **kwargs: Any) -> Any:
        """Do one write, or die."""
        due = self.writes == self._at_write
        self.writes += 1
        if due and self._before:
            raise Crash
        result = write(*args, **kwargs)
        if due:
            raise Crash
        return result


class CrashingProxy:
    """Passes every attribute through; the named methods count as writes.

    Args:
        target: The real object.
        plan: Shared by all proxies of one process.
        writes: Names of the methods that write.
    """

    def __init__(self, target: Any, plan: CrashPlan, writes: frozenset[str]) -> None:
        self._target = target
        self._plan = plan
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name not in self._writes:
            return value
        return lambda *args, **kwargs: self._plan.perform(value, *args, **kwargs)


STORE_WRITES = frozenset(
    {"upsert", "delete", "delete_matching", "set_alias", "drop_collection", "ensure_collection"}
)
STATE_WRITES = frozenset({"commit_documents", "commit_branch", "remove_branch", "set_relations"})
