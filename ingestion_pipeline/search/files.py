"""Ranking files alone: by themselves, by their best symbols, and by what commits said of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from ingestion_pipeline.core.points import ScoredPoint
from ingestion_pipeline.core.relations import FileRelations
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.search.fusion import (
    Groups,
    Identity,
    collapse,
    list_scores,
    make_hits,
    merge,
    rank_places,
)
from ingestion_pipeline.search.hits import SearchHit, get_text
from ingestion_pipeline.search.scores import (
    Scores,
    add_said,
    fuse_words,
    score_said,
    support_files,
)

FindRelations = Callable[[SourceId, str], FileRelations | None]
"""Source and branch → how the branch's files belong together."""

# What commits said is looked up for the best of them: each repository's is read as a whole.
MOST_RERANKED = 100


def rank_files(
    answers: Mapping[str, Sequence[ScoredPoint]],
    of_symbols: Mapping[str, Sequence[ScoredPoint]],
    terms: Collection[int],
    find_relations: FindRelations | None,
) -> list[SearchHit]:
    """Rank files for a query in words.

    Args:
        answers: ``dense`` and ``words`` → files.
        of_symbols: Likewise → classes, functions and methods.
        terms: Term ids of the query.
        find_relations: None for nobody knows.
    """
    files = {name: collapse(answers.get(name, ())) for name in ("dense", "words")}
    symbols = {name: collapse(of_symbols.get(name, ())) for name in ("dense", "words")}
    found, inside = merge(files.values()), merge(symbols.values())
    places = {(repo, path): place for place, (repo, path, _) in enumerate(found)}
    owners = [places.get((repo, path), -1) for repo, path, _ in inside]
    scores = support_files(
        fuse_words(list_scores(found, files["words"]), list_scores(found, files["dense"])),
        list_scores(inside, symbols["words"]),
        list_scores(inside, symbols["dense"]),
        np.array(owners, np.int64),
    )
    reasons = [rank_places(groups, name) for name, groups in files.items()]
    reasons.append(_name_best_symbols(found, symbols["dense"]))
    if find_relations is not None and found:
        said = _score_best(found, scores, terms, find_relations)
        scores = add_said(scores, said)
        reasons.append(_rank_said(found, said))
    return make_hits(found, scores, reasons)


def _name_best_symbols(files: Iterable[Identity], symbols: Groups) -> dict[Identity, str]:
    best: dict[tuple[str, str], str] = {}
    for repo, path, symbol in symbols:
        best.setdefault((repo, path), symbol)
    named = {one: best.get(one[:2]) for one in files}
    return {one: f"through {symbol}" for one, symbol in named.items() if symbol}


def _score_best(
    found: Groups, scores: Scores, terms: Collection[int], find_relations: FindRelations
) -> Scores:
    """Return (F,) what commits said of the best files, -inf for the others."""
    said = np.full(len(found), -np.inf)
    groups = list(found.values())
    of_branches: dict[tuple[str, str], list[int]] = {}
    for place in np.argsort(-scores, kind="stable")[:MOST_RERANKED].tolist():
        payload = groups[place][0].payload
        branch = get_text(payload, "source"), get_text(payload, "branch")
        of_branches.setdefault(branch, []).append(place)
    for (source, branch), places in of_branches.items():
        relations = find_relations(SourceId.parse(source), branch)
        of_files = score_said(relations.said, terms) if relations else ()
        known = relations.places if relations else {}
        for place in places:
            file = known.get(get_text(groups[place][0].payload, "path"))
            said[place] = 0.0 if file is None else of_files[file]
    return said


def _rank_said(found: Groups, said: Scores) -> dict[Identity, str]:
    names = list(found)
    order = [place for place in np.argsort(-said, kind="stable").tolist() if said[place] > 0]
    return {names[place]: f"commits #{rank}" for rank, place in enumerate(order, start=1)}
