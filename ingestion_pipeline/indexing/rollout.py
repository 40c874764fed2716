"""Rolling out another encoder: searches answer from the old collection until the new one is whole.

An alias in the store names the *serving* collection, which searches ask; syncs write into the
*target*. A branch that moves to the target leaves its points in the serving collection, and what
later syncs delete goes from both. When every branch of every tracked repository has moved, the
alias is pointed at the target and the old collection is dropped.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import StateStore


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where searches are answered from, and where syncs write.

    Args:
        store: The point store.
        state: The state store.
        alias: Names the serving collection.
        target: Collection of the encoder in use.
        list_siblings: Returns the collections that other encoders of this installation would have.
    """

    store: PointStore
    state: StateStore
    alias: str
    target: str
    list_siblings: Callable[[], Collection[str]]

    def find_serving(self) -> str:
        """Return the collection that searches ask."""
        return self.store.find_alias(self.alias) or self.target

    def begin(self) -> None:
        """Let the alias name a collection where it names none; the target exists.

        An index from before there was an alias goes on answering until the target is whole.

        Raises:
            StoreMismatchError: The alias is the name of a collection.
        """
        if self.store.find_alias(self.alias) is None:
            named = {
                branch.collection
                for row in self.state.list_repositories()
                for branch in self.state.list_branches(row.source)
            }
            before = named.intersection(self.store.list_collections()) - {self.target}
            alone = len(named) == len(before) == 1
            self.store.set_alias(self.alias, before.pop() if alone else self.target)

    def list_waiting(self) -> list[TrackedRepository]:
        """Return the tracked repositories that hold the roll-out up; [] while there is none."""
        serving = self.find_serving()
        if serving == self.target:
            return []
        return [row for row in self.state.list_repositories() if not self._has_moved(row, serving)]

    def _has_moved(self, repository: TrackedRepository, serving: str) -> bool:
        branches = self.state.list_branches(repository.source)
        if not branches:  # never indexed, or its state was lost
            where = PointFilter({"source": str(repository.source)})
            return not self.store.count(serving, where)
        return all(one.head_sha and one.collection == self.target for one in branches)

    def finish(self, *, at_once: bool = False) -> bool:
        """Switch to the target when all have moved, and drop what nobody asks any more.

        It may be called at any time, by several at once, and again after a crash.

        Args:
            at_once: Switch though some have not moved; they are found again once they are synced.

        Returns:
            Whether it switched.
        """
        serving = self.find_serving()
        switches = serving != self.target and (at_once or not self.list_waiting())
        if switches:
            self.store.set_alias(self.alias, self.target)
        if switches or serving == self.target:
            for collection in self._list_unused():
                self.store.drop_collection(collection)
        return switches

    def _list_unused(self) -> Iterator[str]:
        present = set(self.store.list_collections())
        yield from sorted(present.intersection(self.list_siblings()) - {self.target})
