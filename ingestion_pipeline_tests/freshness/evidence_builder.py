"""Evidence of a repository that is up to date, to be changed field by field."""

from dataclasses import replace
from typing import Any

from ingestion_pipeline.core.code_host import RemoteState
from ingestion_pipeline.core.repositories import RepositoryStatus, TrackedRepository
from ingestion_pipeline.freshness.evidence import Action, Decision, Evidence, Materialization
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.fakes.code_host import make_hosted

OLD, NEW = "a" * 40, "b" * 40
VERSION = "parser-1+hashbag-1"


def make_row(name: str = "octo/cat", number: int = 1, **changes: Any) -> TrackedRepository:
    return replace(TrackedRepository(name, make_hosted(name, number), tracked_at=START), **changes)


def make_remote(**changes: Any) -> RemoteState:
    remote = RemoteState(
        source=make_row().source,
        status=RepositoryStatus.ACTIVE,
        full_name="octo/cat",
        pushed_at="P1",
        default_branch="main",
        heads={"main": OLD},
    )
    return replace(remote, **changes)


def make_evidence(**changes: Any) -> Evidence:
    evidence = Evidence(
        repository=make_row(),
        remote=make_remote(),
        materialized=Materialization("P1", VERSION),
        code_version=VERSION,
        indexed_heads={"main": OLD},
    )
    return replace(evidence, **changes)


def make_decision(name: str, action: Action = Action.RUN, reason: str = "why") -> Decision:
    return Decision(make_row(name), action, reason)
