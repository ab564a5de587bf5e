"""The command that compares a survey with others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latent_core.commands.options import FILE
from latent_core.errors import InputError
from latent_core.progress import counted


@click.command()
@click.argument("survey", type=FILE)
@click.argument("others", nargs=-1, required=True, type=FILE)
@click.option("--out", type=FILE, required=True, help="folder of the report, or its .html file")
@click.option(
    "--exchange",
    is_flag=True,
    help="train small models on either side and apply them to both (minutes)",
)
@click.option("--config", type=FILE, help="with --exchange: TOML file of the models to train")
@click.option(
    "--bundles",
    type=FILE,
    nargs=2,
    help="take the models of two bundles, of SURVEY and of the other, instead of training",
)
@click.option("--overwrite", is_flag=True, help="replace a comparison that is there")
def compare(
    survey: Path,
    others: Sequence[Path],
    out: Path,
    exchange: bool,
    config: Path | None,
    bundles: tuple[Path, Path] | None,
    overwrite: bool,
) -> None:
    """Compare a survey's marginals with other rows side by side, and say where it is wrong.

    SURVEY is a survey or bundle, such as a simulated one. OTHERS are surveys, bundles, or files
    of real rows: XP spectra, epoch photometry, or tables with Gaia's columns.
    """
    from latent_core.comparison.comparing import compare as run
    from latent_core.comparison.exchange import SETTINGS, Exchange

    if config is not None and (bundles or not exchange):
        raise InputError("--config names models to train", remedy="give it with --exchange alone")
    if bundles and len(others) > 1:
        raise InputError("--bundles are of two surveys", remedy="name one survey to compare with")
    wanted = Exchange(config or Path(SETTINGS), bundles or ()) if exchange or bundles else None
    tell = counted()
    made = run(
        survey,
        others,
        out,
        exchange=wanted,
        overwrite=overwrite,
        say=lambda text: tell(text, 0, 0),
    )
    click.echo(f"the comparison is {made} (and {made.with_suffix('.json').name} beside it)")
