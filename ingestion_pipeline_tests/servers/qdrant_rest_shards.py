"""Qdrant's REST bodies over real Edge shards: the calls that ``QdrantPointStore`` makes, no others.

The bodies are those of Qdrant's OpenAPI description, 1.15 to 1.20. Filters know ``must`` with
``match.value`` and ``match.any``; anything else is answered with 400 rather than ignored.
"""

import json
import shutil
import threading
import uuid
from pathlib import Path
from typing import Any

import qdrant_edge

DISTANCES = {"Cosine": qdrant_edge.Distance.Cosine, "Dot": qdrant_edge.Distance.Dot}
COMPLETED = {"operation_id": 0, "status": "completed"}
# What a new collection says of settings that nobody here reads, but that the client requires.
HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}
OPTIMIZERS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "flush_interval_sec": 5,
}


class UnknownCollectionError(Exception):
    """The collection does not exist: 404."""


class ExistingCollectionError(Exception):
    """The collection exists: 409."""


class ShardedCollections:
    """Collections in a folder; survives being opened again by another object.

    Args:
        root: One Edge shard per folder, its creation body beside it as ``<name>.json``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.RLock()
        root.mkdir(parents=True, exist_ok=True)
        self._alias_file = root / ".aliases"
        self._aliases: dict[str, str] = (
            json.loads(self._alias_file.read_text()) if self._alias_file.exists() else {}
        )
        self._bodies = {path.stem: json.loads(path.read_text()) for path in root.glob("*.json")}
        self._shards = {name: qdrant_edge.EdgeShard.load(str(root / name)) for name in self._bodies}

    def perform(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        """Answer ``METHOD /collections/<parts>`` with the body's ``result``."""
        with self._lock:
            if parts == ["aliases"]:
                return self._change_aliases(body["actions"])
            if not parts:
                return {"collections": [{"name": name} for name in self._shards]}
            name, action = parts[0], (method, "/".join(parts[1:]))
            if action == ("PUT", ""):
                return self._create(name, body)
            if action == ("DELETE", ""):
                return self._drop(name)
            if name not in self._shards:
                raise UnknownCollectionError(name)
            if action == ("GET", ""):
                return self._describe(name)
            return ACTIONS[action](self._shards[name], body)

    def list_aliases(self) -> Any:
        """Answer ``GET /aliases`` with the body's ``result``."""
        with self._lock:
            named = [
                {"alias_name": alias, "collection_name": name}
                for alias, name in self._aliases.items()
            ]
            return {"aliases": named}

    def _change_aliases(self, actions: list[dict[str, Any]]) -> bool:
        changed = dict(self._aliases)
        for action in actions:
            if "delete_alias" in action:
                del changed[action["delete_alias"]["alias_name"]]
            else:
                name = action["create_alias"]["collection_name"]
                if name not in self._shards:
                    raise UnknownCollectionError(name)
                changed[action["create_alias"]["alias_name"]] = name
        self._set_aliases(changed)
        return True

    def _set_aliases(self, aliases: dict[str, str]) -> None:
        self._aliases = aliases
        self._alias_file.write_text(json.dumps(aliases))

    def close(self) -> None:
        with self._lock:
            for shard in self._shards.values():
                shard.close()
            self._shards.clear()

    def _create(self, name: str, body: dict[str, Any]) -> bool:
        if name in self._shards:
            raise ExistingCollectionError(name)
        folder = self._root / name
        folder.mkdir()
        self._shards[name] = qdrant_edge.EdgeShard.create(str(folder), _read_config(body))
        self._bodies[name] = body
        (self._root / f"{name}.json").write_text(json.dumps(body))
        return True

    def _drop(self, name: str) -> bool:
        shard = self._shards.pop(name, None)
        if shard is None:
            return False
        shard.close()
        del self._bodies[name]
        (self._root / f"{name}.json").unlink()
        shutil.rmtree(self._root / name)
        self._set_aliases({alias: of for alias, of in self._aliases.items() if of != name})
        return True

    def _describe(self, name: str) -> dict[str, Any]:
        info, body = self._shards[name].info(), self._bodies[name]
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "segments_count": info.segments_count,
            "config": {
                "params": {
                    "vectors": body.get("vectors", {}),
                    "sparse_vectors": body.get("sparse_vectors", {}),
                    "shard_number": body.get("shard_number") or 1,
                    "replication_factor": body.get("replication_factor") or 1,
                },
                "hnsw_config": HNSW,
                "optimizer_config": OPTIMIZERS,
            },
            "payload_schema": {
                field: {
                    "data_type": "keyword",
                    "params": {"type": "keyword", "is_tenant": _is_tenant(index)},
                    "points": index.points,
                }
                for field, index in info.payload_schema.items()
            },
        }


def _is_tenant(index: Any) -> bool:
    params = index.params
    return isinstance(params, qdrant_edge.KeywordIndexParams) and bool(params.is_tenant)


def _read_config(body: dict[str, Any]) -> qdrant_edge.EdgeConfig:
    return qdrant_edge.EdgeConfig(
        vectors={
            name: qdrant_edge.EdgeVectorParams(
                size=params["size"], distance=DISTANCES[params["distance"]]
            )
            for name, params in body.get("vectors", {}).items()
        },
        sparse_vectors={
            name: qdrant_edge.EdgeSparseVectorParams(
                modifier=qdrant_edge.Modifier.Idf if params.get("modifier") == "idf" else None
            )
            for name, params in (body.get("sparse_vectors") or {}).items()
        },
    )


def _create_index(shard: qdrant_edge.EdgeShard, body: dict[str, Any]) -> Any:
    schema = body["field_schema"]
    if schema["type"] != "keyword":
        raise ValueError(f"this server has keyword indexes only, not {schema['type']}")
    params = qdrant_edge.KeywordIndexParams(is_tenant=schema.get("is_tenant"))
    shard.update(qdrant_edge.UpdateOperation.create_field_index(body["field_name"], params))
    return COMPLETED


def _upsert(shard: qdrant_edge.EdgeShard, body: dict[str, Any]) -> Any:
    points = [
        qdrant_edge.Point(
            id=_read_id(point["id"]),
            vector={name: _read_vector(vector) for name, vector in point["vector"].items()},
            payload=point.get("payload"),
        )
        for point in body["points"]
    ]
    shard.update(qdrant_edge.UpdateOperation.upsert_points(points))
    return COMPLETED


def _delete(shard: qdrant_edge.EdgeShard, body: dict[str, Any]) -> Any:
    if "points" in body:
        ids = [_read_id(point_id) for point_id in body["points"]]
        shard.update(qdrant_edge.UpdateOperation.delete_points(ids))
    else:
        conditions = _read_filter(body["filter"])
        if conditions is None:
            raise ValueError("an empty filter")
        shard.update(qdrant_edge.UpdateOperation.delete_points_by_filter(conditions))
    return COMPLETED


def _retrieve(shard: qdrant_edge.EdgeShard, body: dict[str, Any]) -> Any:
    ids = [_read_id(point_id) for point_id in body["ids"]]
    records = shard.retrieve(ids, body.get("with_payload", True), body.get("with_vector", False))
    return [_show(record) for record in records]


def _scroll(shard: qdrant_edge.EdgeShard, body: dict[str, Any]) -> Any:
    offset = body.get("offset")
    request = qdrant_edge.ScrollRequest(
        offset=None if offset is None else _read_id(offset),
        limit=body.get("limit", 10),
        filter=_read_filter(body.get("filter")),
        with_payload=body.get("with_payload", True),
        with_vector=body.get("with_vector", False),
    )
    records, following = shard.scroll(request)
    return {
        "points": [_show(record) for record in records],
        "next_page_offset": None if following is None else str(following),
    }


def _count(shard: qdrant_edge.EdgeShard, body: dict[str, Any]) -> Any:
    request = qdrant_edge.CountRequest(exact=True, filter=_read_filter(body.get("filter")))
    return {"count": shard.count(request)}


def _query(shard: qdrant_edge.EdgeShard, body: dict[str, Any]) -> Any:
    query = body["query"]
    vector = query["nearest"] if isinstance(query, dict) and "nearest" in query else query
    request = qdrant_edge.QueryRequest(
        limit=body.get("limit", 10),
        query=qdrant_edge.Query.Nearest(_read_vector(vector), using=body.get("using")),
        filter=_read_filter(body.get("filter")),
        with_payload=body.get("with_payload", False),
    )
    hits = shard.query(request)
    return {
        "points": [
            {"id": str(hit.id), "version": 0, "score": hit.score, "payload": hit.payload}
            for hit in hits
        ]
    }


ACTIONS = {
    ("PUT", "index"): _create_index,
    ("PUT", "points"): _upsert,
    ("POST", "points"): _retrieve,
    ("POST", "points/delete"): _delete,
    ("POST", "points/scroll"): _scroll,
    ("POST", "points/count"): _count,
    ("POST", "points/query"): _query,
}


def _read_id(value: Any) -> Any:
    return value if isinstance(value, int) else uuid.UUID(value)


def _read_vector(value: Any) -> Any:
    if isinstance(value, dict):
        return qdrant_edge.SparseVector(value["indices"], value["values"])
    return value


def _read_filter(value: dict[str, Any] | None) -> qdrant_edge.Filter | None:
    if not value:
        return None
    if value.keys() - {"must"}:
        raise ValueError(f"this server knows filters with must only, not {sorted(value)}")
    return qdrant_edge.Filter(must=[_read_condition(condition) for condition in value["must"]])


def _read_condition(value: dict[str, Any]) -> qdrant_edge.FieldCondition:
    match = value["match"]
    found = (
        qdrant_edge.MatchAny(match["any"])
        if "any" in match
        else qdrant_edge.MatchValue(match["value"])
    )
    return qdrant_edge.FieldCondition(key=value["key"], match=found)


def _show(record: qdrant_edge.Record) -> dict[str, Any]:
    vectors = record.vector if isinstance(record.vector, dict) else None
    return {
        "id": str(record.id),
        "payload": record.payload,
        "vector": vectors and {name: _show_vector(vector) for name, vector in vectors.items()},
    }


def _show_vector(vector: Any) -> Any:
    if isinstance(vector, qdrant_edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    return vector
