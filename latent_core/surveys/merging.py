"""Readings of many tables joined into one survey: no duplicates, products aligned, one catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID, RowIndex
from latent_core.products import EpochPhotometry, Product, XpCoefficients, XpSampled
from latent_core.surveys.light_curves import POINT_ARRAYS
from latent_core.surveys.readings import Reading
from latent_core.surveys.rows import rejected_rows

BY_POINT = "epoch photometry, a row a point"
_POINT = ["id", "band", "time"]
_AT_ONCE = 8192  # rows of an array that are put in order at a time: 7 MB of coefficients


def without_duplicates(readings: Sequence[Reading]) -> list[Reading]:
    """Keep the first item of every source; rows of later ones join the rejected.

    Points of one source may lie in several files that have a row a point: there the first of
    equal points (source, band, time) is kept, and a source may go on in the next file.
    """
    seen: dict[int, str] = {}
    left: list[Reading] = []
    for reading in readings:
        one = _new_points(reading, left) if reading.layout == BY_POINT else reading
        left.append(one if reading.layout == BY_POINT else _new_items(reading, seen))
        rows = _first_rows(left[-1]).tolist()
        for source, row in zip(left[-1].ids.tolist(), rows, strict=True):
            seen.setdefault(source, f"row {row} of {reading.name}")
    return left


def _first_rows(reading: Reading) -> NDArray[np.int64]:
    return reading.kept_rows[np.unique(reading.kept_item, return_index=True)[1]]


def _new_items(reading: Reading, seen: dict[int, str]) -> Reading:
    """Drop sources that were met before, in this reading or an earlier one."""
    first: dict[int, str] = {}
    old = np.zeros(len(reading.ids), bool)
    rows = _first_rows(reading).tolist()
    for item, (source, row) in enumerate(zip(reading.ids.tolist(), rows, strict=True)):
        old[item] = source in seen or source in first
        first.setdefault(source, seen.get(source, f"row {row} of {reading.name}"))
    if not old.any():
        return reading
    gone = old[reading.kept_item]
    ids = reading.ids[reading.kept_item[gone]]
    reasons = [f"duplicate of {first[source]}" for source in ids.tolist()]
    rejected = rejected_rows(reading.name, reading.kept_rows[gone], ids, reasons)
    return _without(reading, ~old, ~gone, rejected)


def _new_points(reading: Reading, before: Sequence[Reading]) -> Reading:
    """Drop points that were met before, in this reading or an earlier one."""
    points = pd.concat([_points_of(r) for r in (*before, reading)], ignore_index=True)
    old = points.duplicated(_POINT).to_numpy()
    gone = old[len(points) - len(reading.kept_rows) :]
    if not gone.any():
        return reading
    involved = points[points.duplicated(_POINT, keep=False)]
    first = involved.groupby(_POINT)["place"].transform("first")[old[involved.index]]
    reasons = ("duplicate of " + first[first.index >= len(points) - len(gone)]).tolist()
    ids = reading.ids[reading.kept_item[gone]]
    rejected = rejected_rows(reading.name, reading.kept_rows[gone], ids, reasons)
    left = np.isin(np.arange(len(reading.ids)), reading.kept_item[~gone])
    return _without(reading, left, ~gone, rejected)


def _points_of(reading: Reading) -> pd.DataFrame:
    item = reading.arrays["item"]
    rows = reading.kept_rows if reading.layout == BY_POINT else reading.kept_rows[item]
    return pd.DataFrame(
        {
            "id": reading.ids[item],
            "band": reading.arrays["band"],
            "time": reading.arrays["time"],
            "place": [f"row {row} of {reading.name}" for row in rows.tolist()],
        }
    )


def _without(
    reading: Reading,
    items: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    rejected: pd.DataFrame,
) -> Reading:
    """Keep the items (M,) and rows (R,) that are true; the others are `rejected`."""
    number = np.cumsum(items) - 1
    arrays = dict(reading.arrays)
    if "item" in arrays:
        points = rows if reading.layout == BY_POINT else items[arrays["item"]]
        arrays = {name: values[points] for name, values in arrays.items()}
        arrays["item"] = number[arrays["item"]]
    else:
        arrays = {name: values[items] for name, values in arrays.items()}
    return replace(
        reading,
        ids=reading.ids[items],
        kept_rows=reading.kept_rows[rows],
        kept_item=number[reading.kept_item[rows]],
        scalars=reading.scalars[items].reset_index(drop=True),
        rejected=pd.concat([reading.rejected, rejected], ignore_index=True),
        arrays=arrays,
    )


def join_scalars(readings: Sequence[Reading], ids: NDArray[np.int64]) -> pd.DataFrame:
    """Join the plain columns of all readings by id, (N,) rows in the order of `ids`.

    Where two tables state a column, the earlier value stays and gaps are filled by the later.
    """
    frame = pd.DataFrame({SOURCE_ID: ids})
    for reading in readings:
        if not len(reading.ids):  # all its rows were duplicates of an earlier file
            continue
        place = RowIndex(reading.ids).find(ids)
        columns = {
            name: _placed(reading.scalars[name], place)
            for name in reading.scalars
            if name != SOURCE_ID
        }
        new = pd.DataFrame(columns)
        both = [name for name in new if name in frame]
        for name in both:
            frame[name] = _filled(frame[name], new[name])
        frame = pd.concat([frame, new.drop(columns=both)], axis=1)
    return frame


def _placed(values: pd.Series, place: NDArray[np.int64]) -> pd.Series:
    if values.dtype.kind == "f" or (place >= 0).all():
        return values.iloc[np.maximum(place, 0)].reset_index(drop=True).where(place >= 0)
    if values.dtype.kind in "iu":
        values = values.astype(np.float64)
        return values.iloc[np.maximum(place, 0)].reset_index(drop=True).where(place >= 0)
    taken = values.iloc[np.maximum(place, 0)].reset_index(drop=True)
    if values.dtype.kind == "b":  # a flag such as has_bp: what no table says is not so
        return taken & (place >= 0)
    return taken.astype(object).where(place >= 0, None)


def _filled(old: pd.Series, new: pd.Series) -> pd.Series:
    if old.dtype.kind == "b" and new.dtype.kind == "b":
        return old | new
    if old.dtype.kind in "fiub" and new.dtype.kind in "fiub":
        return old.astype(np.float64).fillna(new.astype(np.float64))
    old, new = old.astype(object), new.astype(object)
    known = old.notna()
    text = old.where(known, new)
    return text.map(lambda cell: None if cell is None or cell != cell else str(cell))


def merge_product(
    name: str, readings: Sequence[Reading], ids: NDArray[np.int64], folder: Path
) -> Product:
    """Join the items of one product, `ids` (N,) being those of the catalog's rows.

    Its arrays are written to `folder`, one `.npy` a field, and mapped from there.
    """
    merge: dict[str, Callable[..., Product]] = {
        XpCoefficients.name: partial(_by_item, XpCoefficients, ("values", "errors")),
        XpSampled.name: partial(_by_item, XpSampled, ("flux", "flux_error")),
        EpochPhotometry.name: _light_curves,
    }
    origin = "; ".join(dict.fromkeys(r.origin for r in readings))
    folder.mkdir(parents=True, exist_ok=True)
    return merge[name]([r for r in readings if len(r.ids)], ids, origin, folder)


def _by_item(
    kind: type[XpCoefficients] | type[XpSampled],
    fields: tuple[str, str],
    readings: Sequence[Reading],
    ids: NDArray[np.int64],
    origin: str,
    folder: Path,
) -> Product:
    rows = RowIndex(ids).find(np.concatenate([r.ids for r in readings]))
    order = np.argsort(rows, kind="stable")
    first, second = (_gathered(readings, name, order, folder) for name in fields)
    return kind(rows[order], first, second, origin)


def _gathered(
    readings: Sequence[Reading], name: str, order: NDArray[np.int64], folder: Path
) -> NDArray:
    """Write the rows of an array of all readings in `order` (M,), some at a time."""
    parts = [reading.arrays[name] for reading in readings]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    shape = (len(order), *parts[0].shape[1:])
    if not len(order):
        return np.empty(shape, parts[0].dtype)
    file = folder / f"{name}.npy"
    out = np.lib.format.open_memmap(file, "w+", parts[0].dtype, shape)
    for start in range(0, len(order), _AT_ONCE):
        wanted = order[start : start + _AT_ONCE]
        reading = np.searchsorted(starts, wanted, "right") - 1
        for number in np.unique(reading):
            own = reading == number
            out[start + np.flatnonzero(own)] = parts[number][wanted[own] - starts[number]]
    out.flush()
    gathered: NDArray = np.load(file, mmap_mode="r", allow_pickle=False)
    return gathered


def _light_curves(
    readings: Sequence[Reading], ids: NDArray[np.int64], origin: str, folder: Path
) -> EpochPhotometry:
    index = RowIndex(ids)
    row_of_point = np.concatenate([index.find(r.ids)[r.arrays["item"]] for r in readings])
    order = np.argsort(row_of_point, kind="stable")
    rows, counts = np.unique(row_of_point, return_counts=True)
    points = {name: _gathered(readings, name, order, folder) for name in POINT_ARRAYS}
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return EpochPhotometry(rows.astype(np.int64), offsets, origin=origin, **points)
