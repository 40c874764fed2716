"""A GitHub on loopback: REST and GraphQL as the pipeline uses them, steered by method calls.

Run it on its own for benchmarks: ``python -m ingestion_pipeline_tests.servers.github
--repositories 10000`` prints one JSON line with the URL and serves until interrupted.
"""

import argparse
import json
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import uvicorn

from ingestion_pipeline_tests.servers.github_app import HANGING, GitHubApp
from ingestion_pipeline_tests.servers.github_graphql import SAML_MESSAGE
from ingestion_pipeline_tests.servers.github_state import FakeRepository, Fault, GitHubState


class FakeGitHubServer:
    """Serves from a thread of its own while the context lasts.

    Every steering method may be called from any thread, also while requests are answered.

    Args:
        tokens: What authenticates; without a token private repositories are 404.
        clone_url_base: Prefix of every ``clone_url``; by default this server's own origin, which
            serves no git.
        enterprise: Serve below ``/api/v3``, GraphQL at ``/api/graphql``.
        anonymous_limit: Requests an hour without a token, 60 at GitHub.
        token_limit: Requests an hour with one, 5,000 at GitHub.
        port: 0 takes a free one.
    """

    def __init__(
        self,
        *,
        tokens: tuple[str, ...] = (),
        clone_url_base: str = "",
        enterprise: bool = False,
        anonymous_limit: int = 60,
        token_limit: int = 5_000,
        port: int = 0,
    ) -> None:
        self._initial = (tokens, anonymous_limit, token_limit)
        self._state = GitHubState(*self._initial)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", port))
        # Listening from here on: a client that comes before the thread is up waits in the queue.
        self._socket.listen(128)
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.api_url = self.origin + ("/api/v3" if enterprise else "")
        self._app = GitHubApp(
            self._state, enterprise=enterprise, clone_url_base=clone_url_base or self.origin
        )
        config = uvicorn.Config(
            self._app.asgi, log_config=None, lifespan="off", ws="none", access_log=False
        )
        self._server = _Server(config, self._app)
        self._thread = threading.Thread(target=self.serve, name="fake-github", daemon=True)

    def serve(self) -> None:
        """Answer requests until told to stop."""
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
        if self._thread.is_alive():
            raise RuntimeError("The fake GitHub did not stop within 10 s.")

    def reset(self) -> None:
        """Forget everything, as if just started; a server shared by tests stays fast."""
        self._state = self._app.state = GitHubState(*self._initial)

    # -- what was asked

    @property
    def requests(self) -> Counter[str]:
        """How often each was asked: repository, branch, graphql, rate_limit, not_modified."""
        with self._state.lock:
            return Counter(self._state.requests)

    def clear_requests(self) -> None:
        """Count from zero."""
        with self._state.lock:
            self._state.requests.clear()

    # -- repositories

    def add_repository(
        self, full_name: str, heads: Mapping[str, str] | None = None, *, private: bool = False
    ) -> FakeRepository:
        """Create one, with one commit on ``main`` unless ``heads`` says otherwise ({}: empty)."""
        repository = self._state.add(full_name, heads)
        repository.private = private
        return repository

    def get_repository(self, full_name: str) -> FakeRepository:
        """Return it by its present name."""
        with self._state.lock:
            return self._state.get(full_name)

    def push(self, full_name: str, branch: str = "main", sha: str = "") -> str:
        """Move or create a branch, and ``pushed_at`` with it; return the sha."""
        with self._state.lock:
            repository = self._state.get(full_name)
            sha = sha or self._state.next_sha()
            repository.heads[branch] = sha
            repository.pushed_at = self._state.next_moment()
            repository.size_kib = max(1, repository.size_kib)
            return sha

    def push_pull_request(self, full_name: str) -> str:
        """Move ``pushed_at`` alone, as a push to ``refs/pull/…`` by a fork does; return it."""
        with self._state.lock:
            repository = self._state.get(full_name)
            repository.pushed_at = self._state.next_moment()
            return repository.pushed_at

    def delete_branch(self, full_name: str, branch: str) -> None:
        """Remove a branch; that is a push too."""
        with self._state.lock:
            repository = self._state.get(full_name)
            del repository.heads[branch]
            repository.pushed_at = self._state.next_moment()

    def rename(self, old: str, new: str) -> None:
        """Rename or transfer; the old name answers 301."""
        self._state.rename(old, new)

    def delete(self, full_name: str) -> None:
        """Delete: 404, and NOT_FOUND in GraphQL."""
        self._state.delete(full_name)

    def archive(self, full_name: str) -> None:
        """Make read-only."""
        self.get_repository(full_name).archived = True

    def disable(self, full_name: str) -> None:
        """Disable, as GitHub's staff does."""
        self.get_repository(full_name).disabled = True

    def lock(self, full_name: str) -> None:
        """Lock, as a migration does; REST does not show it."""
        self.get_repository(full_name).locked = True

    def block(self, full_name: str, reason: str = "dmca") -> None:
        """Block: 451 for ``dmca``, 403 for other reasons such as ``tos``."""
        self.get_repository(full_name).block_reason = reason

    def forbid(self, full_name: str, message: str = SAML_MESSAGE) -> None:
        """Answer 403, and FORBIDDEN in GraphQL."""
        self.get_repository(full_name).forbidden_message = message

    # -- the host as a whole

    def revoke_tokens(self) -> None:
        """Answer 401 to every token."""
        with self._state.lock:
            self._state.tokens.clear()

    def exhaust_rate_limit(self, resets_at: datetime | None = None) -> None:
        """Use up every allowance."""
        with self._state.lock:
            self._state.resets_at = resets_at or self._state.resets_at
            for limit in self._state.limits.values():
                limit.used = limit.limit

    def set_remaining(self, remaining: int) -> None:
        """Leave this much of every allowance."""
        with self._state.lock:
            for limit in self._state.limits.values():
                limit.used = limit.limit - remaining

    def disable_graphql(self) -> None:
        """Answer 404 to GraphQL."""
        with self._state.lock:
            self._state.graphql_enabled = False

    def fail(
        self,
        status: int,
        *,
        path_part: str = "",
        body_part: str = "",
        times: int | None = None,
        headers: Mapping[str, str] | None = None,
        message: str = "Server Error",
    ) -> None:
        """Replace answers, see ``Fault``; earlier faults come first."""
        with self._state.lock:
            fault = Fault(status, path_part, body_part, times, headers or {}, message)
            self._state.faults.append(fault)

    def hang(self, *, path_part: str = "", body_part: str = "", times: int | None = None) -> None:
        """Do not answer."""
        self.fail(HANGING, path_part=path_part, body_part=body_part, times=times)

    def heal(self) -> None:
        """Drop all faults."""
        with self._state.lock:
            self._state.faults.clear()


class _Server(uvicorn.Server):
    """Lets hanging requests go when it stops."""

    def __init__(self, config: uvicorn.Config, app: GitHubApp) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Release, then close connections."""
        self._app.released.set()
        await super().shutdown(sockets)


def main() -> None:
    """Serve many repositories until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repositories", type=int, default=100)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="benchmark-token")
    parser.add_argument("--clone-url-base", default="")
    options = parser.parse_args()
    server = FakeGitHubServer(
        tokens=(options.token,),
        clone_url_base=options.clone_url_base,
        token_limit=10_000_000,
        port=options.port,
    )
    for number in range(options.repositories):
        server.add_repository(f"owner/repository-{number}")
    print(json.dumps({"api_url": server.api_url, "token": options.token}), flush=True)  # noqa: T201
    server.serve()


if __name__ == "__main__":
    main()
