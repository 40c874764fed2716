"""Several services as one command: started together, ended together, nothing left behind."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ingestion_pipeline.cli.sessions import GRACE_SECONDS, POLL_SECONDS, end_sessions
from ingestion_pipeline.core.errors import ConfigurationError, IngestionError

_CONNECT_SECONDS = 0.5
_GUARD = (sys.executable, "-m", "ingestion_pipeline.cli.sessions")


class ServiceEndedError(IngestionError):
    """A service ended though nobody asked it to."""


class ServiceKilledError(IngestionError):
    """What was asked to end did not, and was killed."""


@dataclass(frozen=True, slots=True)
class Service:
    """A command that listens.

    Args:
        name: For people.
        command: Program and arguments.
        host: Where it will listen.
        port: Likewise.
        port_option: Option of ours that chooses the port.
    """

    name: str
    command: tuple[str, ...]
    host: str
    port: int
    port_option: str

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def is_listening(self) -> bool:
        """Whether anybody listens there."""
        try:
            socket.create_connection((self.host, self.port), timeout=_CONNECT_SECONDS).close()
        except OSError:
            return False
        return True


def require_free_ports(services: Sequence[Service]) -> None:
    """See that every service could listen now.

    Raises:
        ConfigurationError: A port is taken, by another of the services perhaps, or the host is
            not this machine's.
    """
    with ExitStack() as held:
        for service in services:
            try:
                _listen(service, held)
            except OSError as error:
                raise ConfigurationError(
                    f"{service.name} cannot listen on {service.url}: {error.strerror}. End what "
                    f"listens there, or choose another port with {service.port_option}."
                ) from error


class Supervisor:
    """Runs services until one ends or somebody ends all.

    Each is in a session of its own, so what is typed in the terminal reaches this process alone.

    Args:
        services: In the order in which they start.
        folder: Their working directory.
        environment: Their variables.
        say: Prints a line.
        grace_seconds: How long they may take to end.
    """

    def __init__(
        self,
        services: Sequence[Service],
        folder: Path,
        environment: Mapping[str, str],
        say: Callable[[str], object],
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._services = services
        self._folder = folder
        self._environment = environment
        self._print = say
        self._grace_seconds = grace_seconds
        self._signals: list[int] = []
        self._running: dict[Service, subprocess.Popen[str]] = {}

    def run(self) -> None:
        """Start, say where each listens once it does, and end all at SIGINT, SIGTERM or SIGHUP.

        All of them end as at Ctrl-C in a terminal. SIGINT while they do so kills at once. They
        end, too, when this process is killed.

        Raises:
            ServiceEndedError: One ended by itself; the others have been ended, too.
            ServiceKilledError: Some did not end in time, or SIGINT came again.
        """
        with self._catching_signals(), self._open(_GUARD, subprocess.PIPE) as guard:
            try:
                self._start(guard)
                self._watch()
            finally:
                killed = self._end()
        if killed:
            raise ServiceKilledError("Not everything ended by itself; what did not was killed.")

    @contextmanager
    def _catching_signals(self) -> Iterator[None]:
        """Note signals, SIGINT even where it is ignored, as in a script's background.

        Programs started meanwhile have the default actions. SIGHUP stays ignored under nohup.
        """
        wanted = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            wanted.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._note_signal) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _open(self, command: Sequence[str], stdin: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=stdin,
            text=True,
            start_new_session=True,
        )

    def _start(self, guard: subprocess.Popen[str]) -> None:
        assert guard.stdin is not None
        for service in self._services:
            process = self._open(service.command, subprocess.DEVNULL)
            self._running[service] = process
            print(process.pid, file=guard.stdin, flush=True)

    def _watch(self) -> None:
        silent = list(self._services)
        while not self._signals:
            for service, process in self._running.items():
                if process.poll() is not None:
                    raise ServiceEndedError(
                        f"{service.name} ended by itself, with status {process.returncode}, so "
                        "everything was ended."
                    )
            for service in [service for service in silent if service.is_listening()]:
                self._print(f"{service.name} listens on {service.url}")
                silent.remove(service)
            time.sleep(POLL_SECONDS)

    def _end(self) -> list[str]:
        begin = len(self._signals)
        self._print(
            f"Ending everything. After {self._grace_seconds:g} s, or at another Ctrl-C, what is "
            "left is killed."
        )
        leaders = [process.pid for process in self._running.values()]
        killed = end_sessions(
            leaders, self._grace_seconds, lambda: signal.SIGINT in self._signals[begin:]
        )
        for process in self._running.values():
            process.wait()
        if killed:
            self._print(f"Killed: {', '.join(killed)}")
        return killed


def _listen(service: Service, held: ExitStack) -> None:
    found = socket.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    for family, _, _, _, address in found:
        held.enter_context(socket.create_server(address[:2], family=family))
