"""Columns of a catalog as memory maps: `columns/<table>/`, beside the table's Parquet file.

Parquet is for exchange and stays the catalog; a page that shows millions of sources needs few of
its columns, at once and without a copy a process. Every column is one `.npy` file, or a few of
them where its values are not numbers, and `columns.json` says how they are read. The maps are
made from the Parquet file as it is read back, and hold what `read_catalog` returns, value by value
and dtype by dtype. A column of another kind (times with zones, say) is read from Parquet when
it is asked for. A folder without these files opens as before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import Catalog, Column, read_catalog
from latent_core.frames import LazyFrame, Opener

FOLDER = "columns/"
ABOUT = "columns.json"
_PLAIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_]{0,79}$")
_CATEGORIES = ("str", "int64", "float64", "bool")
_MASKED = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}

Parts = dict[str, NDArray[Any]]
About = dict[str, Any]


class Files(Protocol):
    """The files of a folder, verified before they are read."""

    def __contains__(self, name: str) -> bool: ...

    def file(self, name: str) -> Path:
        """Return where a file lies."""
        ...

    def array(self, name: str) -> NDArray[Any]:
        """Map an array."""
        ...

    def json(self, name: str) -> Any:
        """Read JSON."""
        ...


class Writer(Protocol):
    """Where a stage writes."""

    def path(self, name: str) -> Path:
        """Return where to write a file."""
        ...

    def save_array(self, name: str, array: NDArray[Any]) -> None:
        """Write and record an array."""
        ...

    def save_json(self, name: str, content: object) -> None:
        """Write and record JSON."""
        ...


def base_of(table: str) -> str:
    """Return where the maps of a table lie: `labels/gcvs.parquet` has `columns/labels/gcvs/`."""
    return f"{FOLDER}{table.removesuffix('.parquet')}/"


def write_columns(writer: Writer, table: str) -> None:
    """Write the maps of a table that was written as Parquet; one column in memory at a time."""
    path, base = writer.path(table), base_of(table)
    empty = read_catalog(path, rows=False)
    taken: set[str] = set()
    entries, count = [], 0
    for place, column in enumerate(empty.columns):
        series = read_catalog(path, [column.name]).frame[column.name]
        stem = _stem(column.name, place, taken)
        parts, about = _split(series)
        for part, array in parts.items():
            writer.save_array(f"{base}{stem}{part}.npy", array)
        count = len(series)
        distinct = None if column.kind == "number" else int(series.nunique())
        entries.append({**about, "column": asdict(column), "file": stem, "distinct": distinct})
    content = {"rows": count, "simulated": empty.simulated, "columns": entries}
    writer.save_json(f"{base}{ABOUT}", content)


def _stem(name: str, place: int, taken: set[str]) -> str:
    """Name a column's files after it, or by its place where a file may not have such a name."""
    plain = _PLAIN.match(name) and name.casefold() not in taken
    stem = name if plain else f"column-{place}"
    taken.add(stem.casefold())
    return stem


def _split(series: pd.Series) -> tuple[Parts, About]:
    """Take a column apart into plain arrays by the ends of their file names, and how to join them.

    Without an array the column stays in Parquet alone.
    """
    for form, (split, _) in _FORMS.items():
        found = split(series)
        if found is not None:
            return found[0], {**found[1], "form": form}
    return {}, {"form": "parquet"}


def _split_numbers(series: pd.Series) -> tuple[Parts, About] | None:
    if not isinstance(series.dtype, np.dtype) or series.dtype.kind not in "biufmM":
        return None
    return {"": series.to_numpy()}, {}


def _join_numbers(parts: Parts, about: About) -> Any:
    return parts[""]


def _split_categories(series: pd.Series) -> tuple[Parts, About] | None:
    dtype = series.dtype
    if not isinstance(dtype, pd.CategoricalDtype):
        return None
    names = dtype.categories
    of = "str" if names.inferred_type == "string" else str(names.dtype)
    if of not in _CATEGORIES:
        return None
    about = {"names": names.tolist(), "of": of, "ordered": bool(dtype.ordered)}
    return {"": series.cat.codes.to_numpy()}, about


def _join_categories(parts: Parts, about: About) -> Any:
    names = pd.Index(about["names"], dtype=about["of"])
    dtype = pd.CategoricalDtype(names, about["ordered"])
    return pd.Categorical.from_codes(parts[""], dtype=dtype, validate=False)


def _split_flags(series: pd.Series) -> tuple[Parts, About] | None:
    """Flags of which some are missing are objects to pandas; here codes: 1, 0 and -1."""
    if series.dtype != object or pd.api.types.infer_dtype(series, skipna=True) != "boolean":
        return None
    if not all(value is None for value in series[series.isna()].unique()):
        return None
    codes = np.full(len(series), -1, np.int8)
    codes[(series == True).to_numpy(bool)] = 1  # noqa: E712 - objects, of which some are None
    codes[(series == False).to_numpy(bool)] = 0  # noqa: E712
    return {"": codes}, {}


def _join_flags(parts: Parts, about: About) -> Any:
    return np.asarray([False, True, None], object)[parts[""]]


def _split_masked(series: pd.Series) -> tuple[Parts, About] | None:
    array = series.array
    masked = (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)
    if not isinstance(array, masked):
        return None
    missing = np.asarray(array.isna(), bool)
    plain = np.dtype(str(array.dtype).lower().replace("boolean", "bool"))  # "Int64", "boolean"
    return {"": array.to_numpy(plain, na_value=plain.type(0)), ".missing": missing}, {}


def _join_masked(parts: Parts, about: About) -> Any:
    kind = _MASKED.get(parts[""].dtype.kind, pd.arrays.IntegerArray)
    return kind(parts[""], parts[".missing"])


def _split_text(series: pd.Series) -> tuple[Parts, About] | None:
    """Arrow's own layout: bytes in UTF-8, where each text starts, and a bitmap of those there."""
    if series.dtype != "str" or not len(series):
        return None
    import pyarrow as pa

    found = pa.array(series, pa.large_string(), from_pandas=True)
    joined = found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)
    there, starts, content = joined.buffers()
    parts: Parts = {
        ".starts": np.frombuffer(starts, np.int64)[: len(joined) + 1],
        ".bytes": np.frombuffer(content or b"", np.uint8),
    }
    if there is not None:
        parts[".there"] = np.frombuffer(there, np.uint8)
    return parts, {}


def _join_text(parts: Parts, about: About) -> Any:
    import pyarrow as pa

    names = (".there", ".starts", ".bytes")
    buffers = [pa.py_buffer(parts[n]) if n in parts else None for n in names]
    count = len(parts[".starts"]) - 1
    found = pa.LargeStringArray.from_buffers(count, buffers[1], buffers[2], buffers[0])
    return pa.chunked_array([found]).to_pandas().array


_FORMS: Mapping[
    str,
    tuple[Callable[[pd.Series], tuple[Parts, About] | None], Callable[[Parts, About], Any]],
] = {
    "numbers": (_split_numbers, _join_numbers),
    "categories": (_split_categories, _join_categories),
    "flags": (_split_flags, _join_flags),
    "masked": (_split_masked, _join_masked),
    "text": (_split_text, _join_text),
}
_PARTS = ("", ".missing", ".there", ".starts", ".bytes")


def open_catalog(files: Files, table: str) -> Catalog:
    """Open a table by its maps, or read its Parquet file where it has none.

    Nothing but `columns.json` is read: a column's files are verified and mapped when it is first
    asked for.
    """
    base = base_of(table)
    if f"{base}{ABOUT}" not in files:
        return read_catalog(files.file(table))
    about = files.json(f"{base}{ABOUT}")
    openers = {
        entry["column"]["name"]: Opener(_opener(files, table, entry), entry["distinct"])
        for entry in about["columns"]
    }
    columns = tuple(Column(**entry["column"]) for entry in about["columns"])
    return Catalog(LazyFrame(about["rows"], openers), columns, bool(about["simulated"]))


def _opener(files: Files, table: str, entry: About) -> Callable[[], pd.Series]:
    name, stem = entry["column"]["name"], base_of(table) + entry["file"]

    def open_column() -> pd.Series:
        if entry["form"] not in _FORMS:
            read: pd.Series = read_catalog(files.file(table), [name]).frame[name]
            return read
        found = {part: f"{stem}{part}.npy" for part in _PARTS}
        parts = {p: np.asarray(files.array(f)) for p, f in found.items() if f in files}
        _, join = _FORMS[entry["form"]]
        return pd.Series(join(parts, entry), name=name, copy=False)

    return open_column
