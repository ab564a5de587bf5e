"""The command that joins label tables: labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from latent_core.commands.options import FILE


@click.command()
@click.argument("folder", metavar="BUNDLE_OR_SURVEY", type=FILE)
@click.argument("table", type=FILE)
@click.option(
    "--catalog",
    help="how to read it: apogee-dr17, galah-dr4, galah-dr3, vari-classifier, andrae, zhang, "
    "hattori (default: told by its columns)",
)
@click.option("--id", "id_column", help="column of Gaia DR3 ids (default: told by its name)")
@click.option("--columns", help="labels to take, a,b (default: the catalog's, or all)")
@click.option("--prefix", default="", help="put before the names of the labels")
@click.option(
    "--where",
    multiple=True,
    help="take only rows that meet 'COLUMN OP VALUE'; OP: == != < <= > >=, or lacks with bits 3,4",
)
@click.option("--no-cuts", is_flag=True, help="leave out the catalog's own quality cuts")
@click.option("--overwrite", is_flag=True, help="show these labels instead of columns that exist")
def labels(
    folder: Path,
    table: Path,
    catalog: str | None,
    id_column: str | None,
    columns: str | None,
    prefix: str,
    where: Sequence[str],
    no_cuts: bool,
    overwrite: bool,
) -> None:
    """Join a label table (APOGEE, GALAH, any table with Gaia DR3 ids) by source_id.

    What was cut by which flag, matched and left over is said. Trained models stay as they are.
    """
    from latent_core.labels import Choice, join_labels

    choice = Choice(
        catalog=catalog,
        id_column=id_column,
        columns=tuple(c.strip() for c in (columns or "").split(",") if c.strip()),
        prefix=prefix,
        where=tuple(where),
        cuts=not no_cuts,
        overwrite=overwrite,
    )
    report = join_labels(folder, table, choice)
    click.echo(report.text())
    if report.forgot_report:
        click.echo(
            f"the report rested on the labels of before; next: gaia-latent evaluate {folder}"
        )
