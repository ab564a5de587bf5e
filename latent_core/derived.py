"""Derived columns: what the program itself found of each source, beside the survey's own columns.

A stage writes `derived/<name>.parquet` through `save_derived`, whole and in catalog order; the
bundle shows all of them as if they stood in the catalog. Nothing is ever written into the catalog
itself: what a survey brought stays what it brought, and a stage can be renewed or forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from latent_core.bundle import Folder, StageWriter
from latent_core.catalog import SOURCE_ID, Catalog, Column
from latent_core.columns import open_catalog
from latent_core.errors import FolderError, LatentError

DERIVED = "derived/"


def save_derived(
    writer: StageWriter,
    name: str,
    catalog: Catalog,
    values: Mapping[str, ArrayLike],
    columns: Sequence[Column] = (),
) -> None:
    """Write columns (N,) each, in the catalog's order, as `derived/<name>.parquet`.

    `columns` describe them; one that is not described is described by its dtype. Raises
    LatentError where a column has not one value for every source.
    """
    for column, content in values.items():
        if np.shape(content) != (len(catalog),):
            raise LatentError(
                f"the derived column {column!r} has the shape {np.shape(content)}; "
                f"({len(catalog)},) is needed, one value for every source"
            )
    frame = pd.DataFrame({SOURCE_ID: catalog.source_id, **values})
    table = Catalog(frame, tuple(columns), catalog.simulated)
    writer.save_catalog(table, f"{DERIVED}{name}.parquet")


def with_derived(folder: Folder) -> Catalog:
    """Return the catalog with all derived columns behind its own.

    A name that the catalog has already keeps the catalog's values: what a person brought is not
    replaced. Raises FolderError where a derived table belongs to other sources.
    """
    catalog = folder.catalog
    found, columns = catalog.lazy, {column.name: column for column in catalog.columns}
    for name in folder.names(DERIVED):
        table = open_catalog(folder, name)
        if not folder.same_sources(name, table):
            raise FolderError(
                f"{folder.path}: {name} belongs to other sources than the catalog; build again"
            )
        fresh = {c.name: c for c in table.columns if c.name not in columns}
        found = found.with_columns(table.lazy, fresh)
        columns |= fresh
    return Catalog(found, tuple(columns.values()), catalog.simulated)
