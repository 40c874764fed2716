"""What a materialization shows in the UI."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from ingestion_pipeline.indexing.handles import (
    ClonedRepository,
    EmbeddedRepository,
    ParsedRepository,
    SyncResult,
)


def describe_clone(cloned: ClonedRepository) -> Mapping[str, Any]:
    """Metadata of the clone op's output."""
    return {
        "heads": dg.MetadataValue.json({b.branch: b.head_sha for b in cloned.branches}),
        "unchanged_branches": sum(branch.unchanged for branch in cloned.branches),
        **_describe_changes(cloned),
        "seconds": round(cloned.seconds, 3),
    }


def describe_parse(parsed: ParsedRepository) -> Mapping[str, Any]:
    """Metadata of the parse op's output."""
    return {
        "files_parsed": parsed.files_parsed,
        "files_from_cache": parsed.files_cached,
        "skipped": dg.MetadataValue.json(parsed.skipped),
        "seconds": round(parsed.seconds, 3),
    }


def describe_embed(embedded: EmbeddedRepository) -> Mapping[str, Any]:
    """Metadata of the embed op's output."""
    return {
        "nodes": embedded.nodes,
        "edges": embedded.edges,
        "points_embedded": embedded.points_embedded,
        "seconds": round(embedded.seconds, 3),
    }


def _describe_changes(cloned: ClonedRepository) -> Mapping[str, Any]:
    counts = cloned.counts
    found: dict[str, Any] = {
        "files_added": counts.added,
        "files_modified": counts.modified,
        "files_deleted": counts.deleted,
        "files_moved": counts.moved,
    }
    if cloned.commits_pulled is not None:
        found["commits_pulled"] = cloned.commits_pulled
    return found


def describe_sync(result: SyncResult, code_map_png: bytes | None) -> Mapping[str, Any]:
    """Metadata of the materialization.

    Args:
        result: What the sync did.
        code_map_png: The picture, None when nothing was embedded.
    """
    parsed = result.embedded.parsed
    cloned = parsed.cloned
    hosted = cloned.repository.hosted
    metadata: dict[str, Any] = {
        "repository": hosted.full_name,
        "head": ", ".join(f"{branch}@{sha[:12]}" for branch, sha in result.heads.items()) or "none",
        "pushed_at": cloned.pushed_at,
    }
    # The UI keeps this order: what a person looks for first comes first.
    if hosted.web_url:
        metadata["repository_url"] = dg.MetadataValue.url(hosted.web_url)
    if cloned.missing_branches:
        metadata["missing_branches"] = ", ".join(cloned.missing_branches)
    if code_map_png:
        metadata["code_map"] = make_picture(
            "code map",
            code_map_png,
            "Every dot is a file, coloured by its folder. Files that lie close use the same words.",
        )
    return metadata | {
        "points": result.points,
        "points_added": result.added,
        "points_changed": result.changed,
        "points_deleted": result.deleted,
        "points_unchanged": result.unchanged,
        "files": result.files,
        "symbols": result.symbols,
        **_describe_changes(cloned),
        "files_parsed": parsed.files_parsed,
        "points_embedded": result.embedded.points_embedded,
        **_describe_parsed(result),
        **{
            f"seconds_{stage}": round(seconds, 3)
            for stage, seconds in result.seconds_by_stage.items()
        },
        "heads": dg.MetadataValue.json(result.heads),
        "dagster/partition_row_count": result.points,
    }


def _describe_parsed(result: SyncResult) -> Mapping[str, Any]:
    """What only a look into the files tells; nothing when no branch had changed."""
    parsed = result.embedded.parsed
    if not parsed.cloned.changed_branches:
        return {}
    return {
        "edges": sum(result.embedded.edges.values()),
        "languages": _languages_table(result.embedded),
        "edges_by_relation": dg.MetadataValue.json(result.embedded.edges),
        "skipped_files": dg.MetadataValue.json(parsed.skipped),
    }


def read_code_map(path: Path | None) -> bytes | None:
    """Return the picture's bytes before the work folder goes."""
    return path.read_bytes() if path is not None else None


def _languages_table(embedded: EmbeddedRepository) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord({"language": language, "files": files, "symbols": symbols})
        for language, (files, symbols) in embedded.languages.items()
    ]
    columns = [
        dg.TableColumn("language", "string"),
        dg.TableColumn("files", "int"),
        dg.TableColumn("symbols", "int"),
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def make_picture(name: str, png: bytes, caption: str) -> dg.MarkdownMetadataValue:
    """Return a picture that the UI shows, with what it shows below it."""
    data = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{data})\n\n{caption}")
