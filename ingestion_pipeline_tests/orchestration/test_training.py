"""The asset ``encoder``: trained on histories fetched for it, shown, and not put in use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from ingestion_pipeline.core.errors import EncoderWeightsError
from ingestion_pipeline.embed import ENCODER_VERSION
from ingestion_pipeline.embed.installed import install_encoder, read_in_use, use_encoder
from ingestion_pipeline.orchestration.build import build_definitions
from ingestion_pipeline.orchestration.partitions import ASSET_KEY
from ingestion_pipeline.orchestration.purge import purge_source
from ingestion_pipeline.tracking.track import track_repository, untrack_repository
from ingestion_pipeline_tests.embed.trained import make_trained_weights
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.git_repositories import GitRepository
from ingestion_pipeline_tests.orchestration.world import World, failed_steps, materialization
from ingestion_pipeline_tests.training.histories import make_history

OFFICES, OTHERS = "octo/offices", "octo/others"
DAGSTER_YAML = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text())
FEW_STEPS = {"steps": 4, "name": "mine-1"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Logs of ours go where the project's ``dagster.yaml`` sends them."""
    settings = {"python_logs": DAGSTER_YAML["python_logs"]}
    with dg.DagsterInstance.ephemeral(settings=settings) as opened:
        yield opened


def add_history(world: World, name: str, number: int, topics: tuple[str, ...]) -> GitRepository:
    git = make_history(world.folder / f"{name.partition('/')[2]}.git", topics)
    world.host.add(make_hosted(name, number), {"main": git.head()})
    world.host.set_clone_url(name, str(git.path))
    track_repository(name, None, world.services.hosts, world.state, world.clock)
    return git


@pytest.fixture
def offices(world: World) -> GitRepository:
    return add_history(world, OFFICES, 2, ("mail", "tax", "map", "clock"))


@pytest.fixture
def others(world: World) -> GitRepository:
    return add_history(world, OTHERS, 3, ("seed", "bank", "clock"))


def train(world: World, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    job = world.definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey("encoder")],
        raise_on_error=False,
        run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": {"encoder": {"config": {**FEW_STEPS, **config}}},
        },
    )


def read_log(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))


def test_an_encoder_is_trained_on_what_is_tracked(
    world: World, instance: dg.DagsterInstance, offices: GitRepository, others: GitRepository
) -> None:
    result = train(world, instance, held_out=[OTHERS])
    assert failed_steps(result) == {}
    shown = materialization(result)
    values: dict[str, Any] = {name: value.value for name, value in shown.metadata.items()}
    assert values["version"] == "mine-1"
    assert values["put_in_use"] == "`ingestion-pipeline encoder use mine-1`"
    assert values["curves"].startswith("![curves](data:image/png;base64,")
    assert "| docstring → function | BM25 |" in values["evaluation"]
    assert (values["repositories"], values["held_out"]) == ([OFFICES], [OTHERS])
    assert list(values["left_out"]) == ["octo/cat"]  # a single commit
    assert (values["step"], values["device"]) == (4, "cpu")
    assert values["quality"] > 0
    assert values["seconds"] > 0
    assert (shown.tags or {})["dagster/data_version"] == "mine-1"
    folder = world.services.encoders_path
    assert {path.name for path in folder.iterdir()} == {"mine-1.npz", "mine-1.png", "training.lock"}
    assert read_in_use(folder) == ENCODER_VERSION

    log = read_log(instance, result)
    assert f"Reading the history of {OFFICES}." in log
    assert "Left out: octo/cat." in log
    assert "Step 1 of 4; losses: docstring " in log
    assert "of BM25 on the held-out repositories, the best so far." in log
    run = instance.get_run_by_id(result.run_id)
    assert run
    assert run.tags["dagster/max_runtime"] == "0"


def test_histories_are_fetched_with_the_files_of_one_commit(
    world: World, instance: dg.DagsterInstance, offices: GitRepository, others: GitRepository
) -> None:
    assert train(world, instance).success
    source = next(
        row.source for row in world.state.list_repositories() if row.partition_key == OTHERS
    )
    history = world.services.open_history(source)
    assert history.path.parent == world.services.settings.data_path / "histories"
    copy = GitRepository.__new__(GitRepository)
    copy.path = history.path
    assert copy.git("rev-list", "--count", "--all") == "31"
    blobs = copy.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
    assert blobs.count("blob") == 7  # of some forty
    assert not world.services.open_mirror(source).path.exists()

    untrack_repository(OTHERS, world.state, world.clock)
    purge_source(world.services, source)
    assert not history.path.exists()


def test_a_push_is_in_the_next_training(
    world: World, instance: dg.DagsterInstance, offices: GitRepository, others: GitRepository
) -> None:
    first = train(world, instance, name="").asset_materializations_for_node("encoder")
    again = train(world, instance, name="").asset_materializations_for_node("encoder")
    for number in range(5):
        offices.commit({"src/mail.py": f"def mail_{number}(amount):\n    return amount\n"})
    after = train(world, instance, name="").asset_materializations_for_node("encoder")
    versions = [made[0].metadata["version"].value for made in (first, again, after)]
    assert versions[0] == versions[1]  # the same weights, which are not written twice
    assert versions[0] != versions[2]


def test_too_few_repositories_fail_the_run(
    world: World, instance: dg.DagsterInstance, offices: GitRepository
) -> None:
    [said] = failed_steps(train(world, instance)).values()
    assert "Track more: ingestion-pipeline track owner/name. Left out: 1. octo/cat:" in said
    assert not (world.services.encoders_path / "mine-1.npz").exists()


def test_what_cannot_be_read_is_left_out_and_named(
    world: World, instance: dg.DagsterInstance, offices: GitRepository, others: GitRepository
) -> None:
    add_history(world, "octo/gone", 4, ("map", "bank"))
    world.host.set_clone_url("octo/gone", str(world.folder / "nowhere.git"))
    track_repository("octo/gone", None, world.services.hosts, world.state, world.clock)
    result = train(world, instance, held_out=[OTHERS])
    left_out: Any = materialization(result).metadata["left_out"].value
    assert list(left_out) == ["octo/cat", "octo/gone"]
    assert "nowhere.git could not be fetched" in left_out["octo/gone"]
    assert "Left out: octo/gone." in read_log(instance, result)


def test_a_name_that_is_taken_is_refused_before_anything_is_read(
    world: World, instance: dg.DagsterInstance, offices: GitRepository
) -> None:
    install_encoder(world.services.encoders_path, make_trained_weights("mine-1"))
    result = train(world, instance)
    [said] = failed_steps(result).values()
    assert "There is an encoder mine-1 already" in said
    assert "Reading the history" not in read_log(instance, result)


def test_another_encoder_is_another_code_version(world: World) -> None:
    before = get_code_version(build_definitions())
    install_encoder(world.services.encoders_path, make_trained_weights("mine-1"))
    assert get_code_version(build_definitions()) == before
    use_encoder(world.services.encoders_path, "mine-1")
    assert get_code_version(build_definitions()) == before.replace(ENCODER_VERSION, "mine-1")


def get_code_version(definitions: dg.Definitions) -> str:
    version = definitions.resolve_asset_graph().get(ASSET_KEY).code_version
    assert version
    return version


def test_a_choice_of_encoder_that_says_nothing_is_an_error_in_words(world: World) -> None:
    world.services.encoders_path.mkdir(parents=True)
    (world.services.encoders_path / "in-use").write_bytes(b"\xff\xff")
    with pytest.raises(EncoderWeightsError, match="Choose one: ingestion-pipeline encoder use"):
        build_definitions()
