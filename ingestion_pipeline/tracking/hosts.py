"""Choosing the code host that knows a repository."""

from collections.abc import Mapping

from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.repositories import SourceKind

Hosts = Mapping[SourceKind, CodeHost]


def get_host(hosts: Hosts, kind: SourceKind) -> CodeHost:
    """Return the host for this kind of source.

    Raises:
        ConfigurationError: The caller may not use this kind, or it is not configured.
    """
    if kind not in hosts:
        raise ConfigurationError(
            f"Repositories of the kind {kind.value!r} cannot be used from here. Available: "
            f"{', '.join(sorted(k.value for k in hosts)) or 'none'}. Local repositories are "
            "tracked from the command line: ingestion-pipeline track --path DIRECTORY"
        )
    return hosts[kind]
