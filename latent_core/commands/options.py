"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from latent_core.errors import InputError

FILE = click.Path(path_type=Path)
OVERWRITE = click.option("--overwrite", is_flag=True, help="replace an existing folder of ours")


def out_option(what: str) -> Any:
    """Return the --out option of a command."""
    return click.option("--out", type=FILE, required=True, help=f"folder of the new {what}")


JOBS = click.option("--jobs", type=click.IntRange(1), help="processes  [default: one a core]")
DASK = click.option(
    "--dask",
    metavar="ADDRESS",
    default="",
    help="run on the Dask cluster of this scheduler, tcp://HOST:PORT, whose workers see the same "
    "files at the same paths",
)


def workers_for(jobs: int | None, dask: str) -> Any:
    """Return the workers that --jobs and --dask ask for, to be used by `with`.

    Raises InputError where both are given.
    """
    from latent_core.executors import cores, workers

    if dask and jobs:
        raise InputError("--jobs and --dask exclude each other: a cluster has its own workers")
    return workers(jobs or cores(), dask)


RELEASE = click.option(
    "--release",
    default="gaia_dr3",
    show_default=True,
    help="Gaia data release of the files: a shipped name, or a .toml file that describes it",
)
