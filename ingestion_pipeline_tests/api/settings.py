"""Settings of a world that is being tested."""

from typing import Any

from ingestion_pipeline_tests.orchestration.world import World


def configure(world: World, **values: Any) -> None:
    """Change settings; a server that is up has read some of them."""
    world.services.settings = world.services.settings.model_copy(update=values)
