"""Small repositories with a history that teaches something."""

from pathlib import Path

from ingestion_pipeline_tests.git_repositories import GitRepository

TOPICS = {
    "mail": "send letters to a postbox",
    "tax": "compute the rate of a price",
    "map": "draw rivers and roads",
    "clock": "count minutes until noon",
    "bank": "move money between accounts",
    "seed": "grow plants in soil",
}


def write_module(topic: str, words: str, version: int) -> str:
    """Return a file with a documented class and two documented functions."""
    verbs = words.split()
    return (
        f"class {topic.title()}Office:\n"
        f'    """An office where people {words}."""\n\n'
        f"    def {verbs[0]}_{verbs[-1]}(self, amount):\n"
        f'        """Let a clerk {words} by hand."""\n'
        f"        return {topic}_{verbs[1]}(amount, {version})\n\n\n"
        f"def {topic}_{verbs[1]}(amount, version):\n"
        f'    """Prepare {verbs[1]} before the {topic} office opens."""\n'
        f"    return amount + version\n"
    )


def make_history(folder: Path, topics: tuple[str, ...] = tuple(TOPICS)) -> GitRepository:
    """Return a repository in which files of neighbouring topics change together.

    Every other commit says which topic it is about.
    """
    files = {f"src/{topic}.py": write_module(topic, TOPICS[topic], 0) for topic in topics}
    files |= {f"src/{topic}_test.py": f"import {topic}\n\nassert {topic}\n" for topic in topics}
    repository = GitRepository(folder, {**files, "README.md": "# Offices\n"})
    for number in range(1, 31):
        topic = topics[number % len(topics)]
        changed = {f"src/{topic}.py": write_module(topic, TOPICS[topic], number)}
        if number % 2:
            changed[f"src/{topic}_test.py"] = f"import {topic}\n\nassert {topic} != {number}\n"
        message = f"Let the {topic} office {TOPICS[topic]} sooner (#{number})"
        repository.commit(changed, message)
    return repository
