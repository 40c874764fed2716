"""Runs every contender through the same change and the same deaths, and makes the table."""

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import Corpus, Delta, make_corpus, make_delta
from benchmarks.home import temporary_folder
from benchmarks.peers.contender import Contender, Contents, choose_deaths
from benchmarks.peers.install import PeersNotInstalledError, install_peers, list_pins
from benchmarks.report import Section, Table

_PROGRAMS = Path(__file__).with_name("programs")
_OURS = "this project"
_QUIET = {"COCOINDEX_DISABLE_USAGE_TRACKING": "1", "PYTHONWARNINGS": "ignore"}
# Name → program and its environment.
_PEERS: dict[str, tuple[str, dict[str, str]]] = {
    "CocoIndex": ("cocoindex_files.py", {}),
    "LlamaIndex, `upserts_and_delete`": ("llama_index_files.py", {}),
    "LangChain, `full`": ("langchain_files.py", {"CLEANUP": "full"}),
    "LangChain, `full`, cached embeddings": (
        "langchain_files.py",
        {"CLEANUP": "full", "CACHE": "1"},
    ),
    "LangChain, `incremental`": ("langchain_files.py", {"CLEANUP": "incremental"}),
}


@dataclass(frozen=True, slots=True)
class _Difference:
    """An index against a clean one of the same commit: points too many, and points too few."""

    stale: int = 0
    missing: int = 0

    @classmethod
    def between(cls, found: Contents, right: Contents) -> "_Difference":
        return cls((found - right).total(), (right - found).total())

    def show(self) -> str:
        return f"{self.stale:,} / {self.missing:,}"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one contender did.

    Args:
        points: In a clean index of the commit after the change.
        floor: Of them, those that a clean index before the change had not.
        new_texts: Of these, different texts that stood nowhere before.
        embeddings: Computed for the change.
        idle_embeddings: Computed by one more sync, nothing changed.
        after_delta: The index after the change.
        after_death: Killed in the change and synced again, per death.
        after_return: Killed in the change and synced with the tree before it, per death.
    """

    points: int
    floor: int
    new_texts: int
    embeddings: int
    idle_embeddings: int
    after_delta: _Difference
    after_death: tuple[_Difference, ...]
    after_return: tuple[_Difference, ...]


def measure(*, quick: bool) -> Section:
    """Compare over 1,000 files, over 60 when quick."""
    count, deaths = (60, 2) if quick else (1_000, 5)
    outcomes: dict[str, _Outcome] = {}
    failures: list[str] = []
    with temporary_folder() as folder:
        corpus = make_corpus(folder / "corpus", count)
        delta = make_delta(corpus)
        contenders = [_make_ours(corpus, folder)]
        try:
            contenders += _make_peers(corpus, folder, install_peers())
        except PeersNotInstalledError as error:
            failures.append(f"The peers could not be installed here: `{error}`")
        for contender in contenders:
            try:
                outcomes[contender.name] = done = _run(contender, delta, deaths)
                print(f"{contender.name}: {done}", file=sys.stderr)  # the whole takes half an hour
            except RuntimeError as error:
                last = str(error).strip().splitlines()[-1]
                failures.append(f"{contender.name} did not run here: `{last}`")
                print(error, file=sys.stderr)
    return _make_section(outcomes, failures, count, delta)


def _make_ours(corpus: Corpus, folder: Path) -> Contender:
    def check_out(commit: str) -> Path:
        corpus.repository.git("update-ref", "refs/heads/main", commit)
        return corpus.repository.path

    command = (sys.executable, "-m", "benchmarks.peers.our_program")
    return Contender(_OURS, command, folder / "ours", check_out, {})


def _make_peers(corpus: Corpus, folder: Path, python: Path) -> list[Contender]:
    def check_out(commit: str) -> Path:
        corpus.check_out(folder / "tree", commit)
        return folder / "tree"

    return [
        Contender(
            name,
            (str(python), str(_PROGRAMS / program)),
            folder / f"peer-{number}",
            check_out,
            {**_QUIET, **environment},
        )
        for number, (name, (program, environment)) in enumerate(_PEERS.items())
    ]


def _run(contender: Contender, delta: Delta, deaths: int) -> _Outcome:
    before = contender.sync(delta.before)
    contender.save("before")
    changed = contender.sync(delta.after)
    idle = contender.sync(delta.after)
    contender.forget()
    right = contender.sync(delta.after).contents
    after_death: list[_Difference] = []
    after_return: list[_Difference] = []
    for step in choose_deaths(changed.steps, deaths):
        contender.restore("before")
        contender.sync_and_die(delta.after, step)
        contender.save("dead")
        again = contender.sync(delta.after).contents
        after_death.append(_Difference.between(again, right))
        contender.restore("dead")
        back = contender.sync(delta.before).contents
        after_return.append(_Difference.between(back, before.contents))
    return _Outcome(
        points=right.total(),
        floor=(right - before.contents).total(),
        new_texts=len({text for _, text in right} - {text for _, text in before.contents}),
        embeddings=changed.embeddings,
        idle_embeddings=idle.embeddings,
        after_delta=_Difference.between(changed.contents, right),
        after_death=tuple(after_death),
        after_return=tuple(after_return),
    )


def _make_section(
    outcomes: dict[str, _Outcome], failures: list[str], count: int, delta: Delta
) -> Section:
    columns = (
        "index", "points", "new or changed", "… new texts", "embedded", "… again, nothing changed",
        "stale / missing", "after SIGKILL, worst", "… and the change taken back, worst", "deaths",
    )  # fmt: skip
    rows = [
        (
            name,
            f"{done.points:,}",
            f"{done.floor:,}",
            f"{done.new_texts:,}",
            f"{done.embeddings:,}",
            f"{done.idle_embeddings:,}",
            done.after_delta.show(),
            _show_worst(done.after_death),
            _show_worst(done.after_return),
            f"{len(done.after_death)}",
        )
        for name, done in outcomes.items()
    ]
    return Section(
        name="peers",
        title="The same change, ours and others'",
        method=(
            f"One repository of {count:,} files of installed source, indexed, then a commit that "
            f"changes {delta.changed}: {len(delta.modified)} modified, {len(delta.shrunk)} shrunk, "
            f"{len(delta.deleted)} deleted, {len(delta.moved)} moved, {len(delta.added)} added. "
            "Every contender uses the incremental set-up that its documentation recommends, its "
            "splitter for code with chunks of 1,000 characters, a stub that counts the texts it is "
            "asked to embed, and Qdrant's local mode; each sync is a process. *new or changed*: "
            "points of a clean index of the new commit that a clean index of the old one has not; "
            "*new texts*: those whose text stood under no path before. *stale* and "
            "*missing*: points too many and too few, to a clean index of the same commit by the "
            "same contender. *after SIGKILL*: the process dies in the change, at one embedding and "
            "at writes from the first to the last, and is started again; once with the same tree, "
            "once with the change taken back. The worst of all deaths."
        ),
        figures=tuple(_list_figures(outcomes)),
        tables=(Table(columns, tuple(rows)),),
        remarks=(*failures, f"Peers: {', '.join(list_pins())}."),
    )


def _list_figures(outcomes: dict[str, _Outcome]) -> list[tuple[str, str]]:
    return [
        (
            f"Change of 8 files, {name}",
            (
                f"{done.embeddings:,} embeddings for {done.floor:,} new or changed points; "
                f"stale / missing {done.after_delta.show()}, after SIGKILL "
                f"{_show_worst(done.after_death)}, and taken back {_show_worst(done.after_return)}"
            ),
        )
        for name, done in outcomes.items()
    ]


def _show_worst(differences: tuple[_Difference, ...]) -> str:
    if not differences:
        return "none tried"
    return max(differences, key=lambda item: item.stale + item.missing).show()
