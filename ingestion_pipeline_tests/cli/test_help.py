"""The help texts, held to ``snapshots/help.txt``.

After a change that is meant, write the snapshot anew and look at the difference::

    python -m ingestion_pipeline_tests.cli.test_help
"""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ingestion_pipeline.cli.main import cli

SNAPSHOT = Path(__file__).parent / "snapshots" / "help.txt"
PROGRAM = "ingestion-pipeline"


def list_commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that lead to it, groups before what is in them."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from list_commands(command.commands[name], (*path, name))


def render_help() -> str:
    """Return the help of every command, at 100 columns."""
    return "\n".join(f"$ {' '.join((PROGRAM, *path))} --help\n{ask(*path)}" for path, _ in COMMANDS)


def ask(*path: str, flag: str = "--help") -> str:
    """Return what a command prints of itself."""
    result = CliRunner().invoke(cli, [*path, flag], prog_name=PROGRAM, terminal_width=100)
    assert result.exit_code == 0, result.output
    return result.stdout


COMMANDS = list(list_commands())


def test_the_help_is_the_one_that_was_looked_at() -> None:
    assert render_help() == SNAPSHOT.read_text(encoding="utf-8"), (
        "if it is meant: python -m ingestion_pipeline_tests.cli.test_help"
    )


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_h_is_help(path: tuple[str, ...]) -> None:
    assert ask(*path, flag="-h") == ask(*path)


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_every_command_and_option_says_what_it_does(path: tuple[str, ...]) -> None:
    command = dict(COMMANDS)[path]
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_version_is_the_packages() -> None:
    assert ask(flag="--version") == f"{PROGRAM}, version {version('ingestion_pipeline')}\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(render_help(), encoding="utf-8")
