"""Rolling out another encoder: searches answer from the old collection until the new one is whole.

An alias in the store names the *serving* collection, which searches ask; syncs write into the
*target*. A branch that moves to the target leaves its points in the serving collection, and what
later syncs delete goes from both. When every branch of every tracked repository has moved, the
alias is pointed at the target and the old collection is dropped.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import PointFilter, make_point_id
from ingestion_pipeline.core.repositories import SourceId, TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, StateStore


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
        """Return the collection that searches ask.

        An index from before there was an alias goes on answering until the target is whole.
        """
        named = self.store.find_alias(self.alias)
        if named is not None:
            return named
        ours = self._list_named().intersection(self.list_siblings(), self.store.list_collections())
        return ours.pop() if len(ours) == len(self._list_named()) == 1 else self.target

    def begin(self) -> None:
        """Let the alias name a collection where it names none; the target exists.

        Raises:
            StoreMismatchError: The alias is the name of a collection.
        """
        if self.store.find_alias(self.alias) is None:
            self.store.set_alias(self.alias, self.find_serving())

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
        if not all(one.head_sha and one.collection == self.target for one in branches):
            return False
        # The point that is written last: the target may have been lost since.
        own = [make_point_id(repository.source, one.branch, "") for one in branches]
        return len(self.store.retrieve(self.target, own)) == len(own)

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
            for collection in self._list_unused(serving):
                self._drop(collection)
        return switches

    def _list_unused(self, retired: str) -> list[str]:
        """Return what neither searches nor rows name; rows are not asked about ``retired``."""
        present = set(self.store.list_collections()).intersection(self.list_siblings())
        unused = present - {self.target, self.find_serving()}
        return sorted(unused - (self._list_named() - {retired})) if unused else []

    def _drop(self, collection: str) -> None:
        """Drop a collection; what names it is stale from then on, also for who goes back to it."""
        for source, branch in self._list_rows(include_untracked=True):
            if branch.collection == collection and branch.head_sha:
                self.state.commit_branch(source, replace(branch, head_sha=""))
        self.store.drop_collection(collection)

    def _list_named(self) -> set[str]:
        return {branch.collection for _, branch in self._list_rows()}

    def _list_rows(
        self, *, include_untracked: bool = False
    ) -> Iterator[tuple[SourceId, IndexedBranch]]:
        for row in self.state.list_repositories(include_untracked=include_untracked):
            for branch in self.state.list_branches(row.source):
                yield row.source, branch
