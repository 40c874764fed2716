"""What commands say of a roll-out that is under way."""

from ingestion_pipeline.composition import Services

_MOST_NAMES = 5


def describe_rollout(services: Services) -> str:
    """Return how far the roll-out of the encoder in use is; "" where there is none."""
    serving = services.rollout.find_serving()
    if serving == services.collection.name:
        return ""
    waiting = [row.partition_key for row in services.rollout.list_waiting()]
    tracked = len(services.state.list_repositories())
    more = f" and {len(waiting) - _MOST_NAMES:,} more" if len(waiting) > _MOST_NAMES else ""
    return (
        f"Searches answer by {services.get_version(serving)} until all repositories have moved to "
        f"{services.encoder_version}: {tracked - len(waiting):,} of {tracked:,} have; missing: "
        f"{', '.join(waiting[:_MOST_NAMES]) or 'none'}{more}. `ingestion-pipeline sync` moves "
        "them; `ingestion-pipeline encoder switch` does not wait for them."
    )
