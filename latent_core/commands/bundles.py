"""Commands that make and renew bundles: build and its stages, imports, place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latent_core.commands.options import (
    DASK,
    FILE,
    JOBS,
    OVERWRITE,
    RELEASE,
    out_option,
    workers_for,
)
from latent_core.config import MAP_METHODS
from latent_core.errors import InputError
from latent_core.progress import Progress, counted


@click.command()
@click.argument("survey", type=FILE)
@out_option("bundle")
@OVERWRITE
@click.option(
    "--config", type=FILE, help="TOML file of settings, or the name of a shipped one: masked"
)
@JOBS
@DASK
def build(
    survey: Path,
    out: Path,
    overwrite: bool,
    config: Path | None,
    jobs: int | None,
    dask: str,
) -> None:
    """Train, encode, index, project and evaluate: whatever is missing or stale."""
    from latent_core.pipeline import build as run

    with workers_for(jobs, dask) as workers:
        run(survey, out, config=config, overwrite=overwrite, report=Progress(), workers=workers)
    click.echo(f"{out} is built; next: gaia-latent serve {out}")


def _stage_command(stage: str, text: str) -> click.Command:
    def command(bundle: Path, jobs: int | None = 1, dask: str = "") -> None:
        from latent_core.pipeline import run_stage

        with workers_for(jobs, dask) as workers:
            made = run_stage(bundle, stage, report=Progress(), workers=workers)
        click.echo(f"{stage}: {', '.join(made)} renewed in {bundle}")

    for option in (DASK, JOBS) if stage == IN_CHUNKS else ():
        command = option(command)
    return click.command(name=stage, help=text)(click.argument("bundle", type=FILE)(command))


IN_CHUNKS = "encode"  # the stage whose work several processes share
STAGE_COMMANDS = [
    _stage_command(stage, text)
    for stage, text in {
        "train": "Train all models of a bundle anew.",
        "encode": "Encode all sources of a bundle anew.",
        "index": "Join blocks and build the similarity indices anew.",
    }.items()
]


@click.command()
@click.argument("bundle", type=FILE)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(list(MAP_METHODS)),
    help="which map, or maps: --method umap --method tsne (default: as the bundle was built)",
)
@click.option("--full", is_flag=True, help="all sources at once, no landmarks: may take an hour")
@click.option("--landmarks", type=int, help="make it of so many sources, and place the others")
def project(bundle: Path, methods: Sequence[str], full: bool, landmarks: int | None) -> None:
    """Make the maps of a bundle anew, and measure what they keep."""
    from latent_core.pipeline import run_stage

    given = {"methods": tuple(methods), "full": full, "landmarks": landmarks}
    asked = {name: value for name, value in given.items() if value}
    made = run_stage(bundle, "project", Progress(), asked=asked)
    click.echo(f"project: {', '.join(made)} renewed in {bundle}")


STAGE_COMMANDS.append(project)


@click.command()
@click.argument("bundle", type=FILE)
def evaluate(bundle: Path) -> None:
    """Measure a bundle's spaces and models, and write report.html and report.json into it."""
    from latent_core.pipeline import evaluate as run

    page = run(bundle, report=Progress())
    click.echo(f"the report is {page} (and {page.with_suffix('.json').name} beside it)")


@click.command(name="import-table")
@click.argument("table", type=FILE)
@click.option("--latents", required=True, multiple=True, help="glob of latent columns, 'z_*'")
@click.option("--id", "id_column", help="column of source ids")
@click.option("--label", help="column of class labels")
@click.option("--xy", help="two columns of a map: X,Y (otherwise UMAP makes one)")
@click.option("--name", help="name of the bundle")
@RELEASE
@out_option("bundle")
@OVERWRITE
def import_table(
    table: Path,
    latents: Sequence[str],
    id_column: str | None,
    label: str | None,
    xy: str | None,
    name: str | None,
    release: str,
    out: Path,
    overwrite: bool,
) -> None:
    """Bring your own latents: make a bundle of any table with ids and latent columns."""
    from latent_core.pipeline import import_table as run
    from latent_core.release import find_release

    run(
        table,
        out,
        latents=latents,
        id_column=id_column,
        label=label,
        xy=_two_columns(xy),
        name=name,
        release=find_release(release),
        overwrite=overwrite,
        report=Progress(),
    )
    click.echo(f"{out} is built; next: gaia-latent serve {out}")


@click.command(name="import-model")
@click.argument("kind", type=click.Choice(["huijse-2025", "scatter-vae-2024"]))
@click.argument("folder", type=FILE)
@click.option("--survey", type=FILE, help="scatter-vae-2024: the survey whose spectra to encode")
@click.option("--normalisation", type=FILE, help="scatter-vae-2024: CSV or npz of mu and sig")
@out_option("bundle")
@OVERWRITE
def import_model(
    kind: str,
    folder: Path,
    survey: Path | None,
    normalisation: Path | None,
    out: Path,
    overwrite: bool,
) -> None:
    """Make a bundle of published weights: huijse-2025 with its table, or scatter-vae-2024."""
    from latent_core import published

    if kind == published.HUIJSE:
        if survey or normalisation:
            raise InputError("--survey and --normalisation belong to scatter-vae-2024")
        published.import_huijse(folder, out, overwrite=overwrite, report=Progress())
    else:
        options = {"survey": survey, "normalisation": normalisation}
        published.import_scatter(folder, out, **options, overwrite=overwrite, report=Progress())
    click.echo(f"{out} is built; next: gaia-latent serve {out}")


@click.command()
@click.argument("bundle", type=FILE)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--space", help="which space (default: the first)")
@click.option("--out", type=FILE, required=True, help="table to write: .parquet or .csv")
@OVERWRITE
def place(
    bundle: Path, files: Sequence[Path], space: str | None, out: Path, overwrite: bool
) -> None:
    """Encode new sources into an existing space and place them on its map.

    A list of ids (text, or a table without spectra and light curves) is looked up instead.
    """
    from latent_core import Bundle
    from latent_core.placing import place_files, rejected_file

    opened = Bundle.open(bundle).space(space)
    placed, rejected = place_files(
        opened,
        files,
        out,
        overwrite=overwrite,
        progress=counted(),
    )
    click.echo(f"{out}: {placed.text()}")
    if rejected:
        click.echo(f"{rejected:,} rows rejected: see {rejected_file(out)}")


def _two_columns(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    columns = [part.strip() for part in text.split(",")]
    if len(columns) != 2 or not all(columns):
        raise InputError(f"--xy is {text!r}; name two columns with a comma between, X,Y")
    return columns[0], columns[1]
