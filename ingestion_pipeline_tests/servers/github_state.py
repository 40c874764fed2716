"""What the fake GitHub knows: repositories, tokens, faults and what was asked of it."""

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

# All moments derive from here, so that two runs of a test see the same strings.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FakeRepository:
    """One repository of the fake.

    Args:
        number: REST ``id``, GraphQL ``databaseId``.
        full_name: ``owner/name``.
        heads: Branch to sha; empty for an empty repository.
        pushed_at: RFC 3339, handed out as it stands by REST and GraphQL.
        block_reason: "" or ``dmca``, ``tos`` …
        forbidden_message: "" or what the 403 says.
    """

    number: int
    full_name: str
    heads: dict[str, str]
    pushed_at: str
    default_branch: str = "main"
    private: bool = False
    archived: bool = False
    disabled: bool = False
    locked: bool = False
    size_kib: int = 1
    block_reason: str = ""
    forbidden_message: str = ""

    @property
    def node_id(self) -> str:
        """GraphQL id."""
        return f"R_kgDO{self.number:08d}"


@dataclass
class Limit:
    """One rate limit bucket."""

    limit: int
    used: int = 0

    @property
    def remaining(self) -> int:
        """Requests left."""
        return max(0, self.limit - self.used)


@dataclass
class Fault:
    """An answer that replaces the real one.

    Args:
        status: HTTP status; 0 hangs until the client goes away or the server stops.
        path_part: Only for URLs that contain this.
        body_part: Only for requests whose body contains this.
        times: How often; None until healed.
        headers: Sent along.
        message: In the JSON body.
    """

    status: int
    path_part: str = ""
    body_part: str = ""
    times: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    message: str = "Server Error"


class GitHubState:
    """Everything that steering changes; each method is atomic.

    Args:
        tokens: What authenticates; each may read everything private.
        anonymous_limit: Requests an hour without a token.
        token_limit: Requests an hour with one, for REST and for GraphQL each.
    """

    def __init__(
        self, tokens: tuple[str, ...] = (), anonymous_limit: int = 60, token_limit: int = 5_000
    ) -> None:
        self.lock = threading.RLock()
        self.tokens = set(tokens)
        self.limits = {
            "anonymous": Limit(anonymous_limit),
            "core": Limit(token_limit),
            "graphql": Limit(token_limit),
        }
        self.resets_at = EPOCH + timedelta(hours=1)
        self.graphql_enabled = True
        self.requests: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.by_number: dict[int, FakeRepository] = {}
        self.by_node_id: dict[str, FakeRepository] = {}
        self.numbers: dict[str, int] = {}
        self.old_names: dict[str, int] = {}
        self._ticks = 0
        self._created = 0

    def next_moment(self) -> str:
        """Return a moment later than every one before, as GitHub writes it."""
        with self.lock:
            self._ticks += 1
            return (EPOCH + timedelta(seconds=self._ticks)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def next_sha(self) -> str:
        """Return a commit sha that was not there before."""
        return hashlib.sha1(self.next_moment().encode(), usedforsecurity=False).hexdigest()

    def add(self, full_name: str, heads: Mapping[str, str] | None = None) -> FakeRepository:
        """Create a repository; without ``heads`` it has one commit on ``main``."""
        with self.lock:
            self._created += 1
            number = 1_000 + self._created
            chosen = {"main": self.next_sha()} if heads is None else dict(heads)
            repository = FakeRepository(
                number, full_name, chosen, self.next_moment(), size_kib=int(bool(chosen))
            )
            self.by_number[number] = repository
            self.by_node_id[repository.node_id] = repository
            self.numbers[full_name.lower()] = number
            return repository

    def get(self, full_name: str) -> FakeRepository:
        """Return a repository by its present name."""
        return self.by_number[self.numbers[full_name.lower()]]

    def rename(self, old: str, new: str) -> None:
        """Give a repository another name; the old one redirects until it is taken again."""
        with self.lock:
            number = self.numbers.pop(old.lower())
            self.by_number[number].full_name = new
            self.numbers[new.lower()] = number
            self.old_names[old.lower()] = number

    def delete(self, full_name: str) -> None:
        """Remove a repository and the redirects to it."""
        with self.lock:
            number = self.numbers.pop(full_name.lower())
            del self.by_node_id[self.by_number.pop(number).node_id]
            self.old_names = {k: v for k, v in self.old_names.items() if v != number}

    def take_fault(self, path: str, body: str) -> Fault | None:
        """Return the fault for this request and use it up by one."""
        with self.lock:
            for fault in self.faults:
                if fault.path_part in path and fault.body_part in body and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None
