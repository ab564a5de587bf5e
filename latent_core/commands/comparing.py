"""The command that compares a survey with others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latent_core.commands.options import FILE
from latent_core.progress import counted


@click.command()
@click.argument("survey", type=FILE)
@click.argument("others", nargs=-1, required=True, type=FILE)
@click.option("--out", type=FILE, required=True, help="folder of the report, or its .html file")
@click.option("--overwrite", is_flag=True, help="replace a comparison that is there")
def compare(survey: Path, others: Sequence[Path], out: Path, overwrite: bool) -> None:
    """Compare a survey's marginals with other rows side by side, and say where it is wrong.

    SURVEY is a survey or bundle, such as a simulated one. OTHERS are surveys, bundles, or files
    of real rows: XP spectra, epoch photometry, or tables with Gaia's columns.
    """
    from latent_core.comparison.comparing import compare as run

    tell = counted()
    made = run(survey, others, out, overwrite=overwrite, say=lambda text: tell(text, 0, 0))
    click.echo(f"the comparison is {made} (and {made.with_suffix('.json').name} beside it)")
