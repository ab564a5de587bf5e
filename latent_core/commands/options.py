"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path)
OVERWRITE = click.option("--overwrite", is_flag=True, help="replace an existing folder of ours")


def out_option(what: str) -> Any:
    """Return the --out option of a command."""
    return click.option("--out", type=FILE, required=True, help=f"folder of the new {what}")


RELEASE = click.option(
    "--release",
    default="gaia_dr3",
    show_default=True,
    help="Gaia data release of the files: a shipped name, or a .toml file that describes it",
)
