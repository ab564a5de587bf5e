"""Conditions on the rows of a label table: a recipe's, and those a person writes."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.errors import InputError
from latent_core.surveys.rows import numbers

Test = Literal["==", "!=", "<=", "<", ">=", ">", "lacks"]
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_WRITTEN = re.compile(r"^\s*(\S+)\s*(==|!=|<=|>=|<|>|\slacks\s)\s*(\S.*?)\s*$")
_LARGEST_BIT = 62


@dataclass(frozen=True)
class Cut:
    """A condition that a row must meet, or, with `values_of`, that some of its values must.

    `lacks` asks that bit `value` of an integer column is not set; `name` is the bit's.
    """

    column: str
    test: Test
    value: float | int | str
    name: str = ""
    why: str = ""
    values_of: tuple[str, ...] = ()

    def met(self, values: pd.Series) -> NDArray[np.bool_]:
        """Return which cells meet the condition, (n,) bool; a missing cell never does.

        Raises InputError where the column cannot be compared so.
        """
        if self.test == "lacks":
            flags, known = integers(values)
            return np.asarray(known & ((flags >> np.int64(self.value)) & 1 == 0))
        if isinstance(self.value, str):
            text = values.astype(object).map(lambda cell: None if _gone(cell) else str(cell))
            met = _COMPARE[self.test](text.to_numpy(object), self.value)
            return np.asarray(met, bool) & text.notna().to_numpy(bool)
        found = numbers(values)
        if not np.isfinite(found).any() and values.notna().any():
            raise InputError(
                f"{self.column} holds text, which cannot be compared with {self.value}",
                column=self.column,
                remedy="compare it by == or != with a text in quotes",
            )
        with np.errstate(invalid="ignore"):
            return np.asarray(_COMPARE[self.test](found, self.value) & ~np.isnan(found))

    def text(self) -> str:
        """Say the condition: `ASPCAPFLAG bit 23 (STAR_BAD) set` is what is cut."""
        if self.test == "lacks":
            return f"{self.column} bit {self.value}{f' ({self.name})' if self.name else ''} set"
        return f"not {self.column} {self.test} {self.value!r}"


def integers(values: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return a column of flags as int64 (n,), and which cells hold one; no bit is rounded away.

    Raises InputError for a column that holds something else than whole numbers.
    """
    known = values.notna().to_numpy(bool)
    plain = values.dtype
    if isinstance(plain, np.dtype) and plain.kind in "iub":
        return values.to_numpy().astype(np.int64), known
    found = np.zeros(len(values), np.int64)
    for row in np.flatnonzero(known):
        cell = values.iloc[row]
        try:
            found[row] = int(cell)
            whole = isinstance(cell, str) or found[row] == cell
        except (ValueError, OverflowError):
            whole = False
        if not whole:
            raise InputError(
                f"{str(cell)[:40]!r} is not a bit mask", row=int(row) + 1, column=str(values.name)
            )
    return found, known


def parse_condition(text: str) -> tuple[Cut, ...]:
    """Read `COLUMN OP VALUE`: OP is ==, !=, <, <=, >, >=, or `lacks` with bits `3,4`.

    Raises InputError where it is not one.
    """
    match = _WRITTEN.match(text)
    if match is None:
        raise InputError(
            f"--where {text!r} is not COLUMN OP VALUE",
            remedy="write e.g. 'snr > 50', 'survey == main' or 'STARFLAG lacks 3,4'",
        )
    column, test, value = match.group(1), match.group(2).strip(), match.group(3)
    if test != "lacks":
        return (Cut(column, test, _value(value)),)  # type: ignore[arg-type]
    bits = [part.strip() for part in value.split(",")]
    if not all(bit.isdecimal() and int(bit) <= _LARGEST_BIT for bit in bits):
        raise InputError(
            f"--where {text!r} names bits as {value!r}",
            remedy=f"write whole numbers from 0 to {_LARGEST_BIT}, e.g. 3,4",
        )
    return tuple(Cut(column, "lacks", int(bit)) for bit in bits)


def _value(text: str) -> float | int | str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _gone(cell: Any) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)
