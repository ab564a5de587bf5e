"""The queries we write; free ADQL is the user's own.

No client library binds parameters (reliability.md, F10): identifiers pass through int(), class
names come from the release's list, angles are finite floats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from latent_core.catalog import LARGEST_ID, SOURCE_ID
from latent_core.errors import InputError
from latent_core.release import Archive, Release

UPLOADED = "ids"
SHORT_LIST = 1000  # ids; longer lists are uploaded as a table


def class_query(
    names: Sequence[str], products: Sequence[str], limit: int | None, release: Release
) -> str:
    """Select the sources of variability classes that have every product asked for.

    Raises InputError for a class that the release does not know.
    """
    wrong = [name for name in names if name not in release.variability_classes]
    if wrong or not names:
        known = ", ".join(release.variability_classes)
        raise InputError(f"{wrong[0] if wrong else 'no name'!r} is not a class; choose of {known}")
    listed = ", ".join(f"'{name}'" for name in dict.fromkeys(names))
    schema = release.archive.schema
    source = (
        f"{schema}.vari_classifier_result AS v "
        f"JOIN {schema}.gaia_source AS g ON g.source_id = v.source_id"
    )
    return _select(source, f"v.best_class_name IN ({listed})", products, limit, release.archive)


def cone_query(
    centre: tuple[float, float],
    radius: float,
    products: Sequence[str],
    limit: int | None,
    archive: Archive,
) -> str:
    """Select the sources within `radius` degrees of a position (ra, dec) in degrees.

    Raises InputError for angles that are no position or no radius.
    """
    ra, dec = centre
    if not (all(map(math.isfinite, (ra, dec, radius))) and 0 <= ra < 360 and -90 <= dec <= 90):
        raise InputError(f"cone {ra},{dec},{radius}: ra is 0..360, dec is -90..90, in degrees")
    if not 0 < radius <= 90:
        raise InputError(f"cone {ra},{dec},{radius}: the radius is 0..90 degrees")
    inside = (
        f"1 = CONTAINS(POINT('ICRS', g.ra, g.dec), CIRCLE('ICRS', {ra!r}, {dec!r}, {radius!r}))"
    )
    return _select(f"{archive.schema}.gaia_source AS g", inside, products, limit, archive)


def _select(
    source: str, where: str, products: Sequence[str], limit: int | None, archive: Archive
) -> str:
    flags = "".join(f" AND g.{archive.products[name].flag} = 't'" for name in products)
    if limit is None:
        return f"SELECT g.source_id FROM {source} WHERE {where}{flags}"
    # random_index makes a limited selection fair over the sky, and the same one every time
    order = " ORDER BY g.random_index"
    return f"SELECT TOP {int(limit)} g.source_id FROM {source} WHERE {where}{flags}{order}"


def catalog_query(archive: Archive) -> str:
    """Select the catalog columns of the sources in the uploaded table of ids."""
    tables = list(archive.columns)
    columns = ["t0.source_id"] + [
        f"t{number}.{name}"
        for number, table in enumerate(tables)
        for name in archive.columns[table]
    ]
    joins = [
        f"{'JOIN' if number == 0 else 'LEFT OUTER JOIN'} {archive.schema}.{table} AS t{number} "
        f"ON t{number}.source_id = u.source_id"
        for number, table in enumerate(tables)
    ]
    return " ".join([f"SELECT {', '.join(columns)}", f"FROM tap_upload.{UPLOADED} AS u", *joins])


def ids_query(ids: Sequence[int], archive: Archive) -> str:
    """Return a query that selects the ids of a list: above SHORT_LIST from an uploaded table."""
    if len(ids) > SHORT_LIST:
        return f"SELECT {SOURCE_ID} FROM tap_upload.{UPLOADED}"
    listed = ", ".join(str(checked_id(value)) for value in ids)
    return f"SELECT {SOURCE_ID} FROM {archive.schema}.gaia_source WHERE {SOURCE_ID} IN ({listed})"


def checked_id(value: int) -> int:
    """Return an id that is an integer of 0..2**63 - 1; raises InputError otherwise."""
    number = int(value)
    if not 0 <= number <= LARGEST_ID:
        raise InputError(f"{number} is not a source_id: it is outside 0..2^63 - 1")
    return number
