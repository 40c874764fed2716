"""Any sequence of commits leaves what a dict would hold."""

from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.state import DocumentState, DocumentVersion, StateStore
from ingestion_pipeline_tests.state.samples import make_source

storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
# Few names, so that commits meet; ones that a careless database takes for each other.
document_ids = (
    st.sampled_from(["a", "A", "a ", "a/b", "%", "_", "é", "e\u0301", "'"]) | storable_text
)
document_states = st.builds(
    DocumentState,
    document_id=document_ids,
    content_hash=st.text("0123456789abcdef", max_size=4),
    points=st.dictionaries(storable_text, storable_text, max_size=3),
    error=storable_text,
    context=storable_text,
    vectors=st.binary(max_size=8),
)
commits = st.tuples(
    st.sampled_from(["main", "Main"]),
    st.lists(document_states, max_size=6),
    st.lists(document_ids, max_size=4),
)

numbers = count(1)


@settings(
    max_examples=40,
    deadline=None,
    # The store is shared by the examples on purpose; each has a source of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=st.lists(commits, max_size=6))
def test_commits_leave_what_a_dict_would_hold(
    store: StateStore, sequence: list[tuple[str, list[DocumentState], list[str]]]
) -> None:
    source = make_source(next(numbers))
    model: dict[str, dict[str, DocumentState]] = {"main": {}, "Main": {}}
    for branch, changed, removed in sequence:
        store.commit_documents(source, branch, changed, removed)
        for document_id in removed:
            model[branch].pop(document_id, None)
        model[branch].update({document.document_id: document for document in changed})

    for branch, expected in model.items():
        assert store.list_documents(source, branch) == expected
        assert store.read_documents(source, branch, list(expected)) == expected
        versions = {
            name: DocumentVersion(d.content_hash, d.context, d.error, len(d.points))
            for name, d in expected.items()
        }
        assert store.list_document_versions(source, branch) == versions
        vectors = {name: document.vectors for name, document in expected.items()}
        assert dict(store.iterate_document_vectors(source, branch)) == vectors
        points = sum(len(document.points) for document in expected.values())
        assert store.count_points(source, branch) == points
    assert store.list_branch_names(source) == sorted(name for name, rows in model.items() if rows)
