"""``ingestion-pipeline encoder``: train, measure and choose encoders."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ingestion_pipeline.cli.opening import console, open_command
from ingestion_pipeline.cli.rollouts import describe_rollout
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import ConfigurationError, EncoderWeightsError
from ingestion_pipeline.embed.encoder import Encoder
from ingestion_pipeline.embed.installed import (
    list_encoders,
    load_installed_weights,
    use_encoder,
)
from ingestion_pipeline.training.dataset import Repository
from ingestion_pipeline.training.encoder import Sides, hold_out, train_encoder
from ingestion_pipeline.training.evaluate import evaluate_repositories
from ingestion_pipeline.training.prepare import prepare_repository
from ingestion_pipeline.training.report import (
    draw_evaluation,
    write_repositories,
    write_table,
)
from ingestion_pipeline.training.results import TrainingOptions, make_options
from ingestion_pipeline.training.tasks import Task
from ingestion_pipeline.training.ways import BM25, name_dense, name_fused

_PATH = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_DEFAULTS = TrainingOptions()


@click.group()
def encoder() -> None:
    """Train, measure and choose the encoder that makes the vectors."""


@encoder.command("list")
def list_command() -> None:
    """Show the encoders of this machine."""
    with open_command() as services:
        table = Table("encoder", "in use", "trained on", "quality")
        for version in list_encoders(services.encoders_path):
            mark = "yes" if version == services.encoder_version else ""
            try:
                facts = load_installed_weights(services.encoders_path, version).facts
            except EncoderWeightsError as error:
                table.add_row(version, mark, "damaged", "")
                console.print(str(error), markup=False, style="red")
                continue
            names = facts.get("repositories")
            trained = f"{len(names)} repositories" if isinstance(names, list) else "nothing"
            table.add_row(version, mark, trained, str(facts.get("quality", "")))
        note = describe_rollout(services)
    console.print(table)
    if note:
        console.print(note, markup=False)


@encoder.command()
@click.argument("version")
def use(version: str) -> None:
    """Make VERSION the encoder in use; every repository is then stale, and indexed anew."""
    with open_command() as services:
        before = _find_in_use(services)
        use_encoder(services.encoders_path, version)
    if version == before:
        console.print(f"{version} was in use already.")
        return
    console.print(
        f"{version} is in use. Every repository is indexed anew by its next sync, which the sensor "
        "starts; `ingestion-pipeline sync --dry-run` tells what that costs. Searches answer from "
        "the old index until all have moved."
        + (f" Back: ingestion-pipeline encoder use {before}" if before else "")
    )


@encoder.command()
def switch() -> None:
    """Answer searches by the encoder in use now, though not every repository has moved to it.

    Those that have not are found again once they are synced.
    """
    with open_command() as services:
        waiting = [row.partition_key for row in services.rollout.list_waiting()]
        services.store.ensure_collection(services.collection)
        switched = services.rollout.finish(at_once=True)
    if not switched:
        console.print(f"Searches answer by {services.encoder_version} already.")
        return
    missing = f" Not found until they are synced: {', '.join(waiting)}." if waiting else ""
    console.print(f"Searches answer by {services.encoder_version} now.{missing}", markup=False)


def _find_in_use(services: Services) -> str:
    """Return the version in use, "" where the file that names it is damaged: ``use`` mends it."""
    try:
        return services.encoder_version
    except EncoderWeightsError:
        return ""


@encoder.command("train")
@click.argument("paths", nargs=-1, type=_PATH)
@click.option(
    "--held-out",
    multiple=True,
    help=(
        "Repository to choose the best weights by, a path or, without PATHS, owner/name; may be "
        "repeated. By default each fifth one."
    ),
)
@click.option("--name", default="", help="Version of the result; one of its weights by default.")
@click.option(
    "--steps",
    default=_DEFAULTS.steps,
    show_default=True,
    type=click.IntRange(1),
    help="Of the optimiser.",
)
@click.option(
    "--seed", default=_DEFAULTS.seed, show_default=True, help="The same one, the same weights."
)
@click.option("--without-layers", is_flag=True, help="No message passing: the ablation's MLP.")
def train_command(
    paths: tuple[Path, ...],
    held_out: tuple[str, ...],
    name: str,
    steps: int,
    seed: int,
    without_layers: bool,
) -> None:
    """Train an encoder on the histories of the repositories at PATHS, full clones of them.

    Without PATHS, on those of the tracked repositories, which are fetched for it. A training that
    was cut off goes on where it last looked at the held-out repositories.
    """
    options = make_options(steps, seed, layers=not without_layers)
    with open_command() as services, _show_steps(steps) as report:
        done = train_encoder(
            *(services.encoders_path, name, options, services.settings.device),
            _choose_reader(services, paths, held_out),
            report,
        )
    console.print(write_table(done.trained.evaluation), markup=False)
    version = done.trained.weights.version
    console.print(
        f"{version}: the weights of step {done.trained.step:,}, in {done.path}; its curves "
        f"beside it. Use it: ingestion-pipeline encoder use {version}",
        markup=False,
    )


def _choose_reader(
    services: Services, paths: tuple[Path, ...], held_out: tuple[str, ...]
) -> Callable[[Path], Sides]:
    """Return what reads the repositories when it is their turn: those at paths, or the tracked."""
    if not paths:
        histories = services.open_histories(lambda line: console.print(line, markup=False))
        return lambda checkpoint: histories.read_sides(checkpoint, held_out)

    def read(_checkpoint: Path) -> Sides:
        learnt = _prepare(paths)
        if held_out:
            return Sides(learnt, _prepare([Path(path) for path in held_out]))
        if len(learnt) < 2:
            raise ConfigurationError(
                "One repository cannot be learnt from and held out at once. Give more, or "
                "--held-out."
            )
        return hold_out(learnt)

    return read


@encoder.command()
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@click.option(
    "--encoder", "versions", multiple=True, help="Which to measure; the one in use by default."
)
@click.option("--out", type=_FILE, help="Markdown file to write the tables into.")
@click.option("--plot", type=_FILE, help="PNG file to draw them into.")
def evaluate(
    paths: tuple[Path, ...], versions: tuple[str, ...], out: Path | None, plot: Path | None
) -> None:
    """Measure encoders by the histories of the repositories at PATHS, beside BM25 and TF-IDF.

    A docstring looks for its function, a commit message for the files that the commit changed, and
    a file for those that were changed with it, all from the history after a snapshot.
    """
    with open_command() as services:
        wanted = versions or (services.encoder_version,)
        encoders = {
            version: Encoder(
                load_installed_weights(services.encoders_path, version), services.settings.device
            )
            for version in wanted
        }
        repositories = _prepare(paths)
        with console.status("Measuring …") as status:
            evaluation = evaluate_repositories(
                *(repositories, encoders, lambda name: status.update(f"Measuring {name} …")),
                pool=True,
            )
    if not any(evaluation.list_results(task, BM25) for task in Task):
        raise ConfigurationError(
            "These repositories have neither documented functions nor commits to measure by."
        )
    ways = [BM25, *(f(version) for version in wanted for f in (name_dense, name_fused))]
    report = f"{write_table(evaluation)}\n{write_repositories(evaluation, ways)}"
    console.print(report, markup=False)
    if out is not None:
        out.write_text(report, encoding="utf-8")
    if plot is not None:
        plot.write_bytes(draw_evaluation(evaluation))


def _prepare(paths: Sequence[Path]) -> list[Repository]:
    repositories: list[Repository] = []
    with console.status("Reading histories …") as status:
        for path in paths:
            name = _name(path, {one.name for one in repositories})
            status.update(f"Reading the history of {name} …")
            repositories.append(prepare_repository(path, name))
    return repositories


def _name(path: Path, taken: set[str]) -> str:
    """Return the last part of a path, or all of it where that is taken."""
    whole = path.resolve() if path.name in ("", "..") else path.absolute()
    name = whole.name.removesuffix(".git") or whole.parent.name
    return str(whole) if name in taken else name


@contextmanager
def _show_steps(steps: int) -> Iterator[Callable[[int, dict[str, float]], None]]:
    columns = (
        TextColumn("Training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    bars = Progress(*columns, console=console, transient=True)
    bar = bars.add_task("training", total=steps, losses="")

    def report(step: int, losses: dict[str, float]) -> None:
        bars.start()  # not before: the histories are read first, and say so themselves
        said = ", ".join(f"{name} {value:.2f}" for name, value in losses.items())
        bars.update(bar, completed=step, losses=said)

    try:
        yield report
    finally:
        bars.stop()
