"""Cells of a label table as values: numbers with NaN, texts and flags with None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import Kind
from latent_core.errors import InputError
from latent_core.labels.recipes import Arrays, LabelColumn, Mean
from latent_core.surveys.rows import flags, numbers, vector

Values = NDArray[Any]
MISSING = (-9999.0, -9999.99)  # what tables of spectroscopic surveys write for no value
_EXACT = 2**53
_MOST_CLASSES = 1000


def as_values(
    cells: pd.Series, label: LabelColumn, missing_below: float | None
) -> tuple[Values, Kind]:
    """Return a column (n,) as its label asks, and its kind.

    A label without a kind takes that of its cells. Numbers below `missing_below`, -9999 and
    infinities are missing.
    """
    kind = label.kind or kind_of(cells)
    if kind == "number":
        found = numbers(cells)
        gone = ~np.isfinite(found) | np.isin(found, MISSING)
        if missing_below is not None:
            gone |= found < missing_below
        return np.where(gone, np.nan, found * label.scale), kind
    present = cells.notna().to_numpy(bool)
    out = np.full(len(cells), None, object)
    if kind == "flag":
        out[present] = flags(cells)[present]
        return out, kind
    text = [str(cell).strip() for cell in cells[present]]
    out[present] = [cell or None for cell in text]
    return out, kind


def kind_of(cells: pd.Series) -> Kind:
    """Tell whether cells are flags, numbers, classes or other text; long integers are text."""
    if pd.api.types.is_bool_dtype(cells):
        return "flag"
    if pd.api.types.is_integer_dtype(cells) and cells.notna().any():
        return "number" if max(-cells.min(), cells.max()) <= _EXACT else "text"
    if pd.api.types.is_numeric_dtype(cells):
        return "number"
    text = cells.dropna().astype(str)
    if len(text) and pd.to_numeric(text, errors="coerce").notna().all() and _short(text):
        return "number"
    return "category" if text.nunique() <= _MOST_CLASSES else "text"


def _short(text: pd.Series) -> bool:
    return bool((text.str.len() <= 15).all() or text.str.contains(r"[.eE]").any())


def weighted_mean(values: Mapping[str, Values], mean: Mean) -> tuple[Values, Values]:
    """Return the mean of labels weighted by 1 / error^2 and its error, (n,) each.

    NaN where fewer than `mean.at_least` of them have a value and a positive error.
    """
    x = np.column_stack([values[name] for name in mean.of]).astype(np.float64)
    error = np.column_stack([values[f"{name}_err"] for name in mean.of]).astype(np.float64)
    known = np.isfinite(x) & (error > 0)
    weight = np.where(known, 1 / np.where(known, error, 1.0) ** 2, 0.0)
    total = weight.sum(axis=1)
    enough = known.sum(axis=1) >= mean.at_least
    total = np.where(enough, total, np.nan)
    return (np.where(known, x, 0.0) * weight).sum(axis=1) / total, 1 / np.sqrt(total)


def expand_arrays(frame: pd.DataFrame, arrays: Arrays | None, file: str) -> pd.DataFrame:
    """Give the elements of array columns columns of their own: COLUMN_NAME.

    Raises InputError where the arrays have a width that no list of names fits.
    """
    for column in arrays.columns if arrays else ():
        if arrays is None or column not in frame:
            continue
        cells = [vector(cell) for cell in frame[column]]
        widths = {len(cell) for cell in cells if cell is not None}
        names = next((n for n in arrays.names if widths == {len(n)}), None)
        if names is None:
            raise InputError(
                f"the arrays have {sorted(widths)} elements, "
                f"{' or '.join(str(len(n)) for n in arrays.names)} are known",
                file=file,
                column=column,
            )
        table = np.array([np.full(len(names), np.nan) if c is None else c for c in cells])
        made = {f"{column}_{name}": table[:, place] for place, name in enumerate(names)}
        frame = frame.drop(columns=column).assign(**made)
    return frame
