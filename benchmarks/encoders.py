"""What each encoder costs: in a first index, in a change on top, and in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.corpus import make_corpus, make_delta
from benchmarks.home import temporary_folder
from benchmarks.measure import show_times
from benchmarks.report import Section, Table
from benchmarks.tracked_corpus import Sync, TrackedCorpus
from ingestion_pipeline.embed.version import SHIPPED_VERSIONS

SIZES = (1_000, 10_000)
QUICK_SIZES = (200,)
CHANGED = 8
_STAGES = ("clone", "parse", "embed", "upsert")
_EMBED_OP = "embed_repository"


@dataclass(frozen=True, slots=True)
class _Measured:
    count: int
    version: str
    cold: Sync
    delta: Sync

    @property
    def embed_share(self) -> float:
        return self.cold.run.stages["embed"] / self.cold.run.work

    @property
    def embed_peak_gib(self) -> float:
        return self.cold.memory.peak_in(self.cold.spans[_EMBED_OP]).resident_mib / 1024

    @property
    def ratio(self) -> float:
        return self.cold.run.work / self.delta.run.work


def measure(*, quick: bool, sizes: Sequence[int] = ()) -> Section:
    """Index and change one repository a size under every encoder, each in a home of its own."""
    done: list[_Measured] = []
    for count in sizes or (QUICK_SIZES if quick else SIZES):
        with temporary_folder() as folder:
            corpus = make_corpus(folder / "corpus", count)
            homes = {name: TrackedCorpus(corpus, folder / name) for name in SHIPPED_VERSIONS}
            for name, tracked in homes.items():
                tracked.use_encoder(name)
            cold = {name: tracked.sync() for name, tracked in homes.items()}
            make_delta(corpus, CHANGED)
            done += [
                _Measured(count, name, cold[name], tracked.sync())
                for name, tracked in homes.items()
            ]
    return Section(
        name="encoders",
        title="What an encoder costs",
        method=(
            "The repositories of *A first index*, indexed by `ingestion-pipeline sync` in a clean "
            f"home under each encoder that ships; then a commit that changes {CHANGED} files. "
            "*embed*: the graph, words through the network, messages between nodes, and the "
            "picture of the code. Memory: of all processes while that stage runs. One run each."
        ),
        figures=tuple(figure for item in done for figure in _list_figures(item)),
        tables=(_make_table(done),),
    )


def _list_figures(item: _Measured) -> list[tuple[str, str]]:
    return [
        (
            f"`{item.version}`, {item.count:,} files: embedding in a first index",
            f"{item.embed_share:.0%} of its work, {item.embed_peak_gib:.2f} GiB",
        ),
        (
            f"… {CHANGED} changed files, work",
            f"{item.delta.run.work:,.2f} s, a first index to it {show_times(item.ratio)}",
        ),
    ]


def _make_table(done: Sequence[_Measured]) -> Table:
    rows: list[tuple[str, ...]] = []
    for item in done:
        for name, sync in (("first index", item.cold), (f"{CHANGED} changed", item.delta)):
            rows.append(
                (
                    f"{item.count:,} files, `{item.version}`, {name}",
                    f"{sync.run.work:,.2f} s",
                    *(f"{sync.run.stages[stage]:,.2f} s" for stage in _STAGES),
                    f"{sync.run.metadata['points_changed']:,.0f}",
                )
            )
    return Table(("", "work", *_STAGES, "points rewritten"), tuple(rows))
