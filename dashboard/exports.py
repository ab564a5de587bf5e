"""A selection as a file that other programs read: exact ids, units, and where it came from."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap
from latent_core import Bundle
from latent_core.catalog import SOURCE_ID, Column


def file_name(bundle_name: str, rows: int, suffix: str) -> str:
    """Return a plain file name: `<bundle>-selection-<rows>.<suffix>`."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", bundle_name).strip("._") or "bundle"
    return f"{stem}-selection-{rows}.{suffix}"


def provenance(bundle: Bundle, rows: int, now: datetime | None = None) -> dict[str, str]:
    """Return what a file must say of its origin, one line each."""
    moment = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    origin = {
        "bundle": bundle.name,
        "version": bundle.folder.version,
        "release": bundle.folder.manifest.release,
        "date": moment,
        "rows": f"{rows} of {len(bundle.catalog)}",
    }
    if bundle.simulated:
        origin["simulated"] = "SIMULATED sources: these are not measurements of real stars"
    return origin


def selected_frame(bundle: Bundle, rows: Bitmap) -> pd.DataFrame:
    """Return the selected catalog rows in catalog order, `source_id` first."""
    frame = bundle.catalog.iloc[rows.to_rows()]
    others = [name for name in frame.columns if name != SOURCE_ID]
    return frame[[SOURCE_ID, *others]].reset_index(drop=True)


def to_csv(bundle: Bundle, rows: Bitmap, now: datetime | None = None) -> bytes:
    """Return CSV with its origin and units in `#` lines; ids stay whole digits."""
    frame = selected_frame(bundle, rows)
    lines = [
        f"# {name}: {_one_line(text)}"
        for name, text in provenance(bundle, len(frame), now).items()
    ]
    lines += [f"# column {name}: {_explain(_column(bundle, name))}" for name in frame.columns]
    return ("\n".join(lines) + "\n" + frame.to_csv(index=False, lineterminator="\n")).encode()


def to_votable(bundle: Bundle, rows: Bitmap, now: datetime | None = None) -> bytes:
    """Return a VOTable (binary2) with units and descriptions; `source_id` is a 64-bit long."""
    frame = selected_frame(bundle, rows)
    columns = [_column(bundle, str(name)) for name in frame.columns]
    return _votable(frame, columns, provenance(bundle, len(frame), now))


def own_csv(bundle: Bundle, frame: pd.DataFrame, now: datetime | None = None) -> bytes:
    """Return a visitor's own sources as CSV, and where they were placed in `#` lines."""
    lines = [f"# {name}: {_one_line(text)}" for name, text in _own_origin(bundle, now).items()]
    return ("\n".join(lines) + "\n" + frame.to_csv(index=False, lineterminator="\n")).encode()


def own_votable(bundle: Bundle, frame: pd.DataFrame, now: datetime | None = None) -> bytes:
    """Return a visitor's own sources as a VOTable (binary2)."""
    columns = [Column(str(name)) for name in frame.columns]
    return _votable(frame, columns, _own_origin(bundle, now))


def _own_origin(bundle: Bundle, now: datetime | None) -> dict[str, str]:
    origin = provenance(bundle, 0, now)
    origin["rows"] = "sources brought by a visitor; they are no part of the bundle"
    if bundle.simulated:
        origin["simulated"] = "placed on the map of SIMULATED sources"
    return origin


def _votable(frame: pd.DataFrame, columns: list[Column], origin: dict[str, str]) -> bytes:
    from astropy.io.votable import writeto
    from astropy.io.votable.tree import Info, VOTableFile
    from astropy.table import Table

    table = Table()
    for name, column in zip(frame.columns, columns, strict=True):
        table[name] = _values(frame[name])
        table[name].description = column.description or column.label or None
    file = VOTableFile.from_table(table)
    for entry, column in zip(file.get_first_table().fields, columns, strict=True):
        entry.unit = column.unit or None
    for name, text in origin.items():
        file.infos.append(Info(name=name, value=_one_line(text)))
    buffer = io.BytesIO()
    writeto(file, buffer, tabledata_format="binary2")
    return buffer.getvalue()


def _column(bundle: Bundle, name: str) -> Column:
    return bundle.column(name)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _explain(column: Column) -> str:
    unit = f"[{column.unit}] " if column.unit else ""
    return _one_line(unit + (column.description or column.label or column.name))


def _values(series: pd.Series) -> NDArray | np.ma.MaskedArray:
    """Return numbers as they are, everything else as text with empty strings for nothing."""
    if pd.api.types.is_extension_array_dtype(series.dtype) and pd.api.types.is_numeric_dtype(
        series.dtype
    ):
        missing = series.isna().to_numpy()
        filled = series.fillna(0).to_numpy(series.dtype.numpy_dtype)  # type: ignore[union-attr]
        return np.ma.MaskedArray(filled, missing)
    if pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        return series.to_numpy()
    texts = ["" if text is None or text != text else str(text) for text in series]
    return np.asarray(texts, dtype=str) if texts else np.empty(0, "U1")
