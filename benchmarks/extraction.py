"""Our extraction against raw tree-sitter on the same bytes: a core's work, and both cores'."""

import os
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tree_sitter import Parser

from benchmarks.corpus import make_corpus
from benchmarks.home import temporary_folder
from benchmarks.measure import Series, interleave
from benchmarks.report import Section, Table
from ingestion_pipeline.core.code import FileFacts, SourceFile
from ingestion_pipeline.indexing.encoding import encode_facts
from ingestion_pipeline.parse.files import parse_file
from ingestion_pipeline.parse.grammars import GRAMMARS, load_language
from ingestion_pipeline.parse.languages import detect_grammar, get_path_hint
from ingestion_pipeline.parse.pool import ParsePool
from ingestion_pipeline.parse.worker import collect_garbage_seldom

_MEBIBYTE = 1024 * 1024
_RAW, _FACTS, _RECORDS = "raw tree-sitter", "facts", "facts and their record"


@dataclass(frozen=True, slots=True)
class _Spent:
    """One pass over all files.

    Args:
        wall: Seconds.
        cpu: Seconds of this process and of the workers it waited for.
        by_grammar: Grammar → CPU seconds, {} when workers did it.
    """

    wall: float
    cpu: float
    by_grammar: dict[str, float]


def measure(*, quick: bool) -> Section:
    """Read a corpus into memory and parse it in turn, in this process and in workers."""
    count, rounds = (200, 1) if quick else (2_000, 5)
    files = _read_files(count)
    collect_garbage_seldom()
    cores = os.cpu_count() or 1
    alone = interleave(
        rounds,
        {
            _RAW: lambda: _clock(files, _make_raw_parse()),
            _FACTS: lambda: _clock(files, parse_file),
            _RECORDS: lambda: _clock(files, _make_record),
        },
    )
    flat = [file for group in files.values() for file in group]
    pools = interleave(
        rounds,
        {
            f"{workers} worker{'s' * (workers > 1)}": lambda workers=workers: _clock_pool(
                flat, workers
            )
            for workers in dict.fromkeys((1, cores))
        },
    )
    return _make_section(files, alone, pools)


def _read_files(count: int) -> dict[str, list[SourceFile]]:
    """Return grammar → files of a corpus, those without a grammar left out."""
    groups: dict[str, list[SourceFile]] = defaultdict(list)
    with temporary_folder() as folder:
        corpus = make_corpus(folder / "corpus", count, commits=1)
        for path, blob in corpus.list_head().items():
            content = corpus.read(path).encode()
            grammar = _detect(path, content)
            if grammar in GRAMMARS:
                groups[grammar].append(SourceFile(path, blob, content))
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def _detect(path: str, content: bytes) -> str:
    return detect_grammar(get_path_hint(path), content)


def _make_raw_parse() -> Callable[[SourceFile], object]:
    """Return what tree-sitter's own Python binding needs for a tree, and nothing on top."""
    parsers = {name: Parser(load_language(name)) for name in GRAMMARS}
    return lambda file: parsers[_detect(file.path, file.content)].parse(file.content)


def _make_record(file: SourceFile) -> object:
    facts = parse_file(file)
    return encode_facts(facts) if isinstance(facts, FileFacts) else facts


def _clock(files: dict[str, list[SourceFile]], parse: Callable[[SourceFile], object]) -> _Spent:
    by_grammar: dict[str, float] = {}
    begin = time.perf_counter()
    for grammar, group in files.items():
        before = time.process_time()
        for file in group:
            parse(file)
        by_grammar[grammar] = time.process_time() - before
    return _Spent(time.perf_counter() - begin, sum(by_grammar.values()), by_grammar)


def _clock_pool(files: Sequence[SourceFile], workers: int) -> _Spent:
    """Clock a pool from its making to its end, the start of its processes included."""
    begin, before = time.perf_counter(), _read_cpu()
    with ParsePool(workers, encode_facts) as pool:
        done = sum(1 for _ in pool.parse(files))
        wall = time.perf_counter() - begin
    if done != len(files):
        raise RuntimeError(f"{len(files)} files went in, {done} results came out.")
    return _Spent(wall, _read_cpu() - before, {})


def _read_cpu() -> float:
    usages = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _make_section(
    files: dict[str, list[SourceFile]],
    alone: dict[str, list[_Spent]],
    pools: dict[str, list[_Spent]],
) -> Section:
    sizes = Counter({name: sum(len(f.content) for f in group) for name, group in files.items()})
    cpu = {name: Series.of([spent.cpu for spent in done]) for name, done in alone.items()}
    raw = cpu[_RAW]
    one, many = next(iter(pools.values())), list(pools.values())[-1]
    faster = Series.of([spent.wall for spent in one]).over(Series.of([s.wall for s in many]))
    pooled = Series.of([spent.cpu for spent in many])
    total = f"{sum(map(len, files.values())):,} files, {sizes.total() / _MEBIBYTE:.1f} MiB"
    return Section(
        name="extraction",
        title="Extraction against raw tree-sitter",
        method=(
            f"{total} of installed source in memory. *raw tree-sitter*: `Parser.parse` on every "
            "file's bytes, one parser a language, the tree thrown away. *facts*: `parse_file`: "
            "symbols, imports, calls, words. *facts and their record*: also the bytes that go into "
            "the cache, which is all that a worker does. In turn in one process, which collects "
            "garbage as a worker does, CPU time; then a pool of worker processes from its start to "
            "its last result."
        ),
        figures=(
            ("Extraction, CPU to raw tree-sitter on the same bytes", _show(cpu[_FACTS], raw)),
            ("… and the record, in one process", _show(cpu[_RECORDS], raw)),
            (f"… in {list(pools)[-1]}, CPU of all processes", _show(pooled, raw)),
            (f"{list(pools)[-1]} to one, wall time", f"{faster.show_ratio()} as fast"),
        ),
        tables=(_make_grammar_table(files, sizes, alone), _make_pool_table(pools, sizes, raw)),
    )


def _show(mine: Series, raw: Series) -> str:
    return mine.over(raw).show_ratio()


def _make_grammar_table(
    files: dict[str, list[SourceFile]], sizes: Counter[str], alone: dict[str, list[_Spent]]
) -> Table:
    rows: list[tuple[str, ...]] = []
    for grammar, group in files.items():
        spent = {
            name: Series.of([done.by_grammar[grammar] for done in series])
            for name, series in alone.items()
        }
        rows.append(
            (
                grammar,
                f"{len(group):,}",
                f"{sizes[grammar] / _MEBIBYTE:.1f} MiB",
                spent[_RAW].show(),
                _show(spent[_FACTS], spent[_RAW]),
                _show(spent[_RECORDS], spent[_RAW]),
            )
        )
    return Table(("language", "files", "size", _RAW, _FACTS, _RECORDS), tuple(rows))


def _make_pool_table(pools: dict[str, list[_Spent]], sizes: Counter[str], raw: Series) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, done in pools.items():
        wall = Series.of([spent.wall for spent in done])
        cpu = Series.of([spent.cpu for spent in done])
        speed = Series.of([sizes.total() / _MEBIBYTE / seconds for seconds in wall.values])
        busy = cpu.over(wall)
        rows.append((name, wall.show(), speed.show("MiB/s", 1), busy.show("", 2), _show(cpu, raw)))
    return Table(("pool", "wall", "speed", "cores busy", "CPU to raw"), tuple(rows))
