"""How this project sets a Qdrant client and its collections up."""

from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models

from ingestion_pipeline.core.errors import ConfigurationError, StoreMismatchError
from ingestion_pipeline.core.points import DENSE_VECTOR, SPARSE_VECTOR, CollectionSpec


def make_client(url: str, api_key: str | None, timeout_seconds: float) -> QdrantClient:
    """Return a REST client that warns of nothing and starts no threads.

    Raises:
        ConfigurationError: There is no URL, or the key cannot be a header's value.
    """
    if not url:
        raise ConfigurationError("A Qdrant server needs its URL: set INGESTION_QDRANT_URL.")
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        # Checked here because the HTTP library would quote the key in its own error.
        raise ConfigurationError(
            "INGESTION_QDRANT_API_KEY holds a blank, a line break or another character that no key "
            "has. Set it again, without quotes."
        )
    return QdrantClient(
        url=url,
        # Not as `api_key`, which warns about plain http; that is normal on a private network.
        headers={"api-key": api_key} if api_key else None,
        timeout=max(1, round(timeout_seconds)),
        # The check asks for the version in a thread and warns when it is a minor release off.
        check_compatibility=False,
    )


def describe_address(url: str) -> str:
    """Return the URL without user, password and query, for messages."""
    parts = urlsplit(url)
    if not parts.hostname:
        return "the given client's address"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def is_local(client: QdrantClient) -> bool:
    """Return whether the client is qdrant-client's own imitation of a server.

    It has no payload indexes and warns when asked for one.
    """
    options = client.init_options
    return options.get("location") == ":memory:" or options.get("path") is not None


def make_vectors(spec: CollectionSpec) -> dict[str, models.VectorParams]:
    """Return the dense vectors of a new collection."""
    return {
        DENSE_VECTOR: models.VectorParams(size=spec.dense_size, distance=models.Distance.COSINE)
    }


def make_sparse_vectors() -> dict[str, models.SparseVectorParams]:
    """Return the sparse vectors of a new collection."""
    return {SPARSE_VECTOR: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def make_index(*, is_tenant: bool) -> models.KeywordIndexParams:
    """Return the parameters of a payload index."""
    return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=is_tenant)


def check_vectors(spec: CollectionSpec, info: models.CollectionInfo) -> None:
    """Return when the collection is what this version writes.

    Raises:
        StoreMismatchError: It has other vectors.
    """
    vectors, sparse_vectors = info.config.params.vectors, info.config.params.sparse_vectors or {}
    dense = vectors.get(DENSE_VECTOR) if isinstance(vectors, dict) else None
    sparse = sparse_vectors.get(SPARSE_VECTOR)
    if (
        dense is None
        or (dense.size, dense.distance) != (spec.dense_size, models.Distance.COSINE)
        or sparse is None
        or sparse.modifier != models.Modifier.IDF
    ):
        raise StoreMismatchError(
            f"Collection {spec.name!r} has the vectors {vectors} and {sparse_vectors}; this "
            f"version needs {spec.dense_size} dimensions (Cosine) as {DENSE_VECTOR!r} and words "
            f"with IDF as {SPARSE_VECTOR!r}. Choose another collection name, or drop it and "
            "materialize again."
        )
