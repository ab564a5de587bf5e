"""Rows of a table on their way in: cells become numbers, a row is kept or given a reason."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.errors import InputError

REJECTED_COLUMNS = ["file", "row", "source_id", "reason"]
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_WORDS = {"null": np.nan, "none": np.nan, "": np.nan, "--": np.nan, "true": 1.0, "false": 0.0}


class Sieve:
    """Which rows of one table are kept; the first reason against a row is the one that stays."""

    def __init__(self, file: Path | str, ids: NDArray[np.int64], first_row: int = 0) -> None:
        self.file, self.ids, self.first_row = str(file), ids, first_row
        self.kept = np.ones(len(ids), bool)
        self._reason: dict[int, tuple[str, str]] = {}

    def reject(self, bad: NDArray[np.bool_], reason: str, column: str) -> None:
        """Reject the rows where `bad`, (n,) bool, is true."""
        for row in np.flatnonzero(bad & self.kept):
            self._reason[int(row)] = (reason, column)
        self.kept &= ~bad

    def reject_row(self, row: int, reason: str, column: str) -> None:
        """Reject one row, counted from 0."""
        if self.kept[row]:
            self._reason[row] = (reason, column)
            self.kept[row] = False

    def refuse_if_empty(self) -> None:
        """Raise NoRowKeptError with the first reason where no row is kept."""
        if not len(self.ids):
            raise InputError("the table has no rows", file=self.file)
        if not self.kept.any():
            row = min(self._reason)
            reason, column = self._reason[row]
            raise NoRowKeptError(self, reason, row, column)

    def rejected(self) -> pd.DataFrame:
        """Return file, row (from 1), source_id as text and reason of every rejected row."""
        rows = sorted(self._reason)
        reasons = [f"column {c}: {text}" for text, c in (self._reason[row] for row in rows)]
        places = np.asarray(rows, np.int64) + self.first_row + 1
        return rejected_rows(self.file, places, self.ids[rows], reasons)


class NoRowKeptError(InputError):
    """No row of a table, or of a part of one, can be used; `sieve` says why of each."""

    def __init__(self, sieve: Sieve, reason: str, row: int, column: str) -> None:
        self.sieve = sieve
        super().__init__(
            f"{reason}; no row of this file can be used ({len(sieve.ids)} read)",
            file=sieve.file,
            row=sieve.first_row + row + 1,
            column=column,
        )


def rejected_rows(
    files: str | Iterable[str],
    rows: NDArray[np.int64],
    ids: NDArray[np.int64],
    reasons: str | Iterable[str],
) -> pd.DataFrame:
    """Return a frame of rejected rows; ids are text, which no reader can round."""
    text = [str(int(i)) for i in ids]
    frame = pd.DataFrame({"row": np.asarray(rows, np.int64), "source_id": text})
    frame["file"] = files if isinstance(files, str) else list(files)
    frame["reason"] = reasons if isinstance(reasons, str) else list(reasons)
    return frame[REJECTED_COLUMNS]


def vector(cell: Any) -> NDArray[np.float64] | None:
    """Read an array cell, `[..]`, `(..)`, `{..}` or a real array, as (k,) float64.

    A missing cell is None, a missing element NaN. Raises ValueError where it is no array of
    numbers.
    """
    if cell is None or cell is pd.NA:
        return None
    if isinstance(cell, str):
        return _parsed(cell.strip())
    if isinstance(cell, float) and np.isnan(cell):
        return None
    if not isinstance(cell, np.ndarray | list | tuple):
        raise ValueError(f"{cell!r:.40} is not an array")
    array = np.asarray(cell)
    if array.dtype.kind in "OUS":
        array = np.array([_number(str(x).strip()) for x in np.ravel(array)], np.float64)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise ValueError("the cell is not one list of numbers")
    return array.astype(np.float64)


def _parsed(text: str) -> NDArray[np.float64] | None:
    if text.lower() in _WORDS:
        return None
    if _BRACKETS.get(text[0]) != text[-1]:
        raise ValueError(f"{text[:40]!r} is not an array: brackets do not match")
    inner = text[1:-1].strip()
    if not inner:
        return np.empty(0)
    parts = inner.split(",") if "," in inner else inner.split()
    try:
        return np.array(list(map(float, parts)))
    except ValueError:
        return np.array([_number(part.strip().strip("\"'")) for part in parts])


def _number(text: str) -> float:
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    if text.lower() in ("masked", "<na>"):
        return float("nan")
    return float(text)


def matrix(
    cells: pd.Series, width: int, sieve: Sieve, *, stored: type[np.floating] = np.float64
) -> NDArray[np.float64]:
    """Read array cells of one length as (n, width) float64; a missing array is a row of NaN.

    Rows whose array has another length, or only some values that are finite as `stored`, are
    rejected.
    """
    name, largest = str(cells.name), float(np.finfo(stored).max)
    whole = _whole_lists(cells, width)
    if whole is not None and (np.abs(whole) <= largest).all():
        return whole
    out = np.full((len(cells), width), np.nan)
    for row, cell in enumerate(cells):
        try:
            values = vector(cell)
        except ValueError as error:
            sieve.reject_row(row, f"the cell is not an array of numbers ({error})", name)
            continue
        if values is None or not values.size or np.isnan(values).all():
            continue
        if values.size != width:
            sieve.reject_row(row, f"the array has {values.size} values, {width} expected", name)
        elif not (np.abs(values) <= largest).all():
            sieve.reject_row(row, "the array holds a value that is not finite", name)
        else:
            out[row] = values
    return out


def _whole_lists(cells: pd.Series, width: int) -> NDArray[np.float64] | None:
    """Read text cells `[..]` that are all whole, (n, width), by Arrow; None where any is not."""
    import pyarrow as pa
    from pyarrow import compute

    if not isinstance(cells.dtype, pd.StringDtype) or not len(cells):
        return None
    try:
        text = pa.array(cells, pa.large_string(), from_pandas=True)
        lists = compute.split_pattern(compute.utf8_slice_codeunits(text, 1, -1), ",")
        opened, closed = (compute.utf8_slice_codeunits(text, *at) for at in ((0, 1), (-1,)))
        found = [set(side.to_pylist()) for side in (opened, closed)]
        if found != [{"["}, {"]"}] or {*compute.list_value_length(lists).to_pylist()} != {width}:
            return None
        numbers = compute.utf8_trim_whitespace(compute.list_flatten(lists))
        values = np.array(compute.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowException:
        return None
    return values.reshape(len(cells), width)


def is_array_column(values: pd.Series) -> bool:
    """Tell whether a column holds arrays, judged by its first cell that is not missing."""
    if values.dtype != object and not isinstance(values.dtype, pd.StringDtype):
        return False
    first = next((cell for cell in values if not _missing(cell)), None)
    if isinstance(first, str):
        return first.strip()[:1] in _BRACKETS
    return isinstance(first, np.ndarray | list | tuple | dict)


def _missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def numbers(values: pd.Series) -> NDArray[np.float64]:
    """Return a column as (n,) float64; what is missing or no number is NaN."""
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        values = pd.to_numeric(values.astype(object), errors="coerce")
    return np.asarray(values.to_numpy(np.float64, na_value=np.nan))


def flags(values: pd.Series) -> NDArray[np.bool_]:
    """Return a column of flags, true, `"True"`, `t` or 1, as (n,) bool; missing is false."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "b":
        return np.asarray(values.to_numpy())
    text = values.astype(object).map(lambda cell: str(cell).strip().lower())
    return np.asarray(text.isin(["true", "t", "1", "1.0", "yes"]).to_numpy(bool))


def scalar_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that hold one plain value a row, as numbers, flags or text.

    A column without any value says nothing and is left out.
    """
    columns = {str(name): frame[name] for name in frame if frame[name].notna().any()}
    plain = {name: _plain(c) for name, c in columns.items() if not is_array_column(c)}
    return pd.DataFrame(plain, index=frame.index)


def _plain(values: pd.Series) -> pd.Series:
    kind = values.dtype
    if isinstance(kind, np.dtype) and kind.kind in "fiub":
        return values
    if pd.api.types.is_bool_dtype(kind):
        return values.astype(object).map(_text_or_none)
    if pd.api.types.is_integer_dtype(kind):
        exact = values.abs().max() <= 2**53
        return values.astype("float64") if exact else values.astype(object).map(_text_or_none)
    if pd.api.types.is_numeric_dtype(kind):
        return values.astype("float64")
    converted = values.astype(object)
    present = converted[~converted.map(_missing).astype(bool)]
    if len(present) and all(isinstance(c, int | float) and c is not True for c in present):
        return pd.to_numeric(converted, errors="coerce")
    return converted.map(_text_or_none)


def _text_or_none(cell: Any) -> str | None:
    return None if _missing(cell) else str(cell)
