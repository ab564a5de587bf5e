"""Commands that make surveys: simulate, ingest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from latent_core.commands.options import FILE, OVERWRITE, RELEASE, out_option
from latent_core.errors import InputError
from latent_core.progress import counted


@click.command()
@click.option("--sources", default=50_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@out_option("survey")
@OVERWRITE
@click.option("--jobs", type=click.IntRange(1), help="processes  [default: one a core]")
@click.option(
    "--xp",
    type=click.Choice(["dr3", "all"]),
    default="dr3",
    show_default=True,
    help="spectra as DR3 published them (G < 17.65 and a few lists), or of all sources",
)
@click.option(
    "--anomalies",
    type=click.FloatRange(0.0, 1.0),
    default=0.001,
    show_default=True,
    help="share of rows with a planted anomaly, listed in truth.parquet",
)
@click.option("--rows", help="only these rows of the survey, e.g. 17,123456")
def simulate(
    sources: int, seed: int, out: Path, overwrite: bool, rows: str | None, **how: Any
) -> None:
    """Simulate a survey of variable sources; every row is labelled simulated."""
    from latent_core.surveys import simulated

    options = simulated.Options(
        xp=simulated.Xp(how["xp"]),
        anomalies=how["anomalies"],
        jobs=how["jobs"] or simulated.cores(),
    )
    if rows is not None:
        wanted = _row_numbers(rows)
        simulated.write_rows(seed, wanted, out, options=options, overwrite=overwrite)
        click.echo(f"{len(wanted):,} rows of the simulated survey of seed {seed} in {out}")
        return
    if sources < 1:
        raise InputError(f"--sources is {sources}; ask for at least one")
    simulated.simulate(
        sources,
        seed,
        out,
        options=options,
        overwrite=overwrite,
        progress=counted(),
    )
    click.echo(f"{sources:,} simulated sources in {out}")


def _row_numbers(text: str) -> list[int]:
    """Read `17,123456`; raises InputError for what is no row number."""
    parts = [part.strip() for part in text.split(",")]
    wrong = next((part for part in parts if not (part.isascii() and part.isdigit())), None)
    if wrong is not None:
        raise InputError(
            f"--rows has {wrong[:40]!r}, which is not a row number",
            remedy="give numbers from 0, separated by commas, e.g. 17,123456",
        )
    return [int(part) for part in parts]


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
