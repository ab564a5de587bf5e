"""The command `fetch`: from the online Gaia archive to a survey."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latent_core.commands.options import FILE, OVERWRITE, out_option
from latent_core.errors import IncompleteError, InputError
from latent_core.progress import counted

if TYPE_CHECKING:
    from latent_core.release import Release
    from latent_core.surveys.archive.asking import Request


@click.command()
@click.option("--ids", type=FILE, help="source_ids: text, one a line, or any table")
@click.option("--adql", help="a query whose rows have a source_id")
@click.option("--class", "classes", help="variability classes, e.g. RR,CEP")
@click.option("--cone", help="RA,DEC,RADIUS in degrees (ICRS)")
@click.option("--products", default="xp,curves", show_default=True, help="what to get of them")
@click.option("--limit", type=click.IntRange(min=1), help="at most N sources of a class or cone")
@click.option(
    "--archive",
    envvar="GAIA_LATENT_ARCHIVE",
    show_envvar=True,
    help="address of another archive of the same kind",
)
@click.option("--credentials", type=FILE, help="file of two lines, name and password")
@click.option("--incomplete", is_flag=True, help="make the survey without batches that failed")
@out_option("survey")
@OVERWRITE
def fetch(out: Path, overwrite: bool, incomplete: bool, **asked: Any) -> None:
    """Fetch spectra and light curves from the online Gaia archive into a survey.

    Give one of --ids, --adql, --class, --cone. A class or cone selects the sources that have
    every product asked for. The same command goes on where it was stopped. Anonymous unless
    --credentials, or GAIA_USER and GAIA_PASSWORD in the environment, say otherwise. Exit code 3:
    something that the archive holds did not come; missing.parquet lists it.
    """
    from latent_core.surveys.archive import require_client

    require_client()
    from latent_core.release import load_release
    from latent_core.surveys.archive.connection import Connection
    from latent_core.surveys.archive.fetching import fetch as run
    from latent_core.surveys.archive.services import Services

    release = load_release()
    request = _request(_Asked(**asked), release)
    services = Services(request.archive, Connection(), release.source_id_aliases)
    if login := _login(asked["credentials"]):
        services.log_in(*login)
    report = run(
        request, out, services, overwrite=overwrite, incomplete=incomplete, progress=counted()
    )
    click.echo(report.text.rstrip())
    if not report.complete:
        raise SystemExit(IncompleteError.exit_code)


@dataclass(frozen=True)
class _Asked:
    """The options of the command."""

    ids: Path | None
    adql: str | None
    classes: str | None
    cone: str | None
    products: str
    limit: int | None
    archive: str | None
    credentials: Path | None


def _request(asked: _Asked, release: Release) -> Request:
    from latent_core.surveys.archive.asking import Request, checked_products, read_ids

    given = [asked.ids, asked.adql, asked.classes, asked.cone]
    if sum(value is not None for value in given) != 1:
        raise InputError("give exactly one of --ids, --adql, --class, --cone")
    if asked.limit and (asked.ids or asked.adql):
        raise InputError("--limit goes with --class or --cone", remedy="write TOP into the ADQL")
    archive = release.archive
    if asked.archive:
        archive = replace(archive, url=asked.archive.rstrip("/"))
    products = checked_products(_split(asked.products), archive)
    ids = read_ids(asked.ids, release) if asked.ids else None
    return Request(release.name, archive, products, _query(asked, products, release), ids)


def _query(asked: _Asked, products: tuple[str, ...], release: Release) -> str | None:
    from latent_core.surveys.archive.adql import class_query, cone_query

    if asked.classes is not None:
        return class_query(_split(asked.classes), products, asked.limit, release)
    if asked.cone is not None:
        ra, dec, radius = _angles(asked.cone)
        return cone_query((ra, dec), radius, products, asked.limit, release.archive)
    return asked.adql


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _angles(text: str) -> list[float]:
    try:
        angles = [float(part) for part in text.split(",")]
    except ValueError:
        angles = []
    if len(angles) != 3:
        raise InputError(f"--cone {text!r} is not RA,DEC,RADIUS", remedy="e.g. 56.75,24.12,2")
    return angles


def _login(file: Path | None) -> tuple[str, str] | None:
    """Return name and password from a file or the environment, None where neither has them."""
    if file is None:
        name, password = os.environ.get("GAIA_USER"), os.environ.get("GAIA_PASSWORD")
        return (name, password) if name and password else None
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the credentials cannot be read", file=file) from error
    if len(lines) < 2 or not lines[0].strip() or not lines[1].strip():
        raise InputError("there are not two lines, name and password", file=file)
    return lines[0].strip(), lines[1].strip()
