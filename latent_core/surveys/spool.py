"""Parts of tables kept while the others are read: arrays on the disk, the rest in memory.

What stays in memory is what a catalog has a row of; the arrays of a product are appended to one
file each, in the folder that is being written, and mapped when all are there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID
from latent_core.surveys.readings import Reading

FOLDER = "spool"


class Spool:
    """Arrays of readings in `folder/spool`, one file a product and array name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self.folder.mkdir()
        self._files: dict[str, BinaryIO] = {}
        self._kind: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
        self._rows: dict[str, int] = {}

    def keep(self, product: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Append the arrays of a part."""
        for name, values in arrays.items():
            key = f"{product}.{name}"
            if key not in self._files:
                self._files[key] = (self.folder / key).open("wb")
                self._kind[key] = values.dtype, values.shape[1:]
            self._files[key].write(np.ascontiguousarray(values, self._kind[key][0]).data)
            self._rows[key] = self._rows.get(key, 0) + len(values)

    def rows(self, product: str) -> dict[str, int]:
        """How many rows each array of a product has by now."""
        start = f"{product}."
        return {k.removeprefix(start): n for k, n in self._rows.items() if k.startswith(start)}

    def mapped(self, product: str) -> dict[str, NDArray[Any]]:
        """Map the arrays of a product, to be read only."""
        found: dict[str, NDArray[Any]] = {}
        for name, rows in self.rows(product).items():
            key = f"{product}.{name}"
            self._files[key].flush()
            kind, shape = self._kind[key]
            empty = rows == 0
            found[name] = (
                np.empty((0, *shape), kind)
                if empty
                else np.memmap(self.folder / key, kind, "r", shape=(rows, *shape))
            )
        return found

    def close(self) -> None:
        """Close and remove the files; what was mapped is gone."""
        for file in self._files.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class SpooledTable:
    """One table, joined from the readings of its parts, its arrays in a spool."""

    def __init__(self, spool: Spool, product: str) -> None:
        self._spool, self.product = spool, product
        self._parts: list[Reading] = []
        self._items = 0
        self._start = spool.rows(product)

    def add(self, part: Reading) -> None:
        """Take the next part; items go on counting from the last one's."""
        arrays = dict(part.arrays)
        if "item" in arrays:
            arrays["item"] = arrays["item"] + self._items
        self._spool.keep(self.product, arrays)
        kept_item = part.kept_item + self._items
        self._items += len(part.ids)
        self._parts.append(replace(part, kept_item=kept_item, arrays={}))

    def __len__(self) -> int:
        return self._items

    def joined(self) -> Reading:
        """Return the table's reading without its arrays, which `with_arrays` brings back."""
        parts = self._parts
        with_rows = [part for part in parts if len(part.ids)] or parts[:1]
        return replace(
            with_rows[0],
            rows_in=sum(part.rows_in for part in parts),
            ids=np.concatenate([part.ids for part in parts]),
            kept_rows=np.concatenate([part.kept_rows for part in parts]),
            kept_item=np.concatenate([part.kept_item for part in parts]),
            scalars=_stacked([part.scalars for part in with_rows]),
            rejected=pd.concat([part.rejected for part in parts], ignore_index=True),
            points_dropped=sum(part.points_dropped for part in parts),
            origin="; ".join(dict.fromkeys(part.origin for part in with_rows)),
            place=_places(self._start, self._spool.rows(self.product)),
        )


def _places(start: Mapping[str, int], stop: Mapping[str, int]) -> dict[str, slice]:
    return {name: slice(start.get(name, 0), rows) for name, rows in stop.items()}


def with_arrays(readings: Sequence[Reading], arrays: Mapping[str, NDArray[Any]]) -> list[Reading]:
    """Give joined readings of one product their parts of the spooled arrays."""
    return [
        replace(reading, arrays={name: arrays[name][part] for name, part in reading.place.items()})
        for reading in readings
    ]


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack frames whose columns may differ in kind; what is no number or flag becomes text."""
    if len(frames) == 1:
        return frames[0]
    stacked = pd.concat(frames, ignore_index=True)
    kinds = {
        name: {frame[name].dtype.kind for frame in frames if name in frame} for name in stacked
    }
    for name, found in kinds.items():
        if name != SOURCE_ID and stacked[name].dtype == object and found != {"O"}:
            stacked[name] = stacked[name].map(_text)
    return stacked


def _text(cell: Any) -> str | None:
    return None if cell is None or cell is pd.NA or cell != cell else str(cell)
