"""From the parser's facts to a record's bytes; runs in the parser's worker processes."""

from ingestion_pipeline.artifacts.records import encode_structure, encode_text, make_record
from ingestion_pipeline.core.code import FileFacts


def encode_facts(facts: FileFacts) -> tuple[bytes, bytes]:
    """Return the two halves of a file's record."""
    record = make_record(facts)
    return encode_structure(record.structure), encode_text(record.text)
