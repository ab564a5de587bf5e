"""Commands that make surveys: simulate, ingest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latent_core.commands.options import FILE, OVERWRITE, RELEASE, out_option
from latent_core.errors import InputError
from latent_core.progress import counted


@click.command()
@click.option("--sources", default=50_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@out_option("survey")
@OVERWRITE
def simulate(sources: int, seed: int, out: Path, overwrite: bool) -> None:
    """Simulate a survey of variable sources; every row is labelled simulated."""
    from latent_core.surveys.simulated import simulate as run

    if sources < 1:
        raise InputError(f"--sources is {sources}; ask for at least one")
    run(
        sources,
        seed,
        out,
        overwrite=overwrite,
        progress=counted(),
    )
    click.echo(f"{sources:,} simulated sources in {out}")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@out_option("survey")
@OVERWRITE
@click.option("--name", help="name of the survey")
@RELEASE
def ingest(
    files: Sequence[Path], out: Path, overwrite: bool, name: str | None, release: str
) -> None:
    """Read archive files (CSV, ECSV, VOTable, FITS, Parquet, Avro, zip, HATS) into a survey."""
    from latent_core.release import find_release
    from latent_core.surveys.gaia_files import ingest as run

    report = run(
        files,
        out,
        name=name,
        overwrite=overwrite,
        release=find_release(release),
        progress=counted(),
    )
    click.echo(report.text())
