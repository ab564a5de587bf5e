"""Raw products of a survey: what the archive gives, aligned with the catalog by row number.

Each product holds M <= N sources; `rows` says which catalog rows, ascending. A source without
the product is simply not in `rows`: nothing is invented for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from latent_core.array_streams import ArrayStream
from latent_core.bundle import Folder, StageWriter

G_BAND, BP_BAND, RP_BAND = 0, 1, 2
BAND_NAMES = ("G", "BP", "RP")


@dataclass(frozen=True)
class XpCoefficients:
    """XP continuous coefficients, BP then RP, in the archive's units.

    `values` (M, 110) float64 and `errors` (M, 110) float32; a missing band is NaN in both.
    `origin` says where they come from: `archive`, `derived: ...` or `simulated: ...`.
    """

    name: ClassVar[str] = "xp_coefficients"
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    errors: NDArray[np.float32]
    origin: str = "archive"


@dataclass(frozen=True)
class XpSampled:
    """XP sampled mean spectra in W m-2 nm-1 on the release's wavelength grid, (M, 343) float32."""

    name: ClassVar[str] = "xp_sampled"
    rows: NDArray[np.int64]
    flux: NDArray[np.float32]
    flux_error: NDArray[np.float32]
    origin: str = "archive"


@dataclass(frozen=True)
class LightCurve:
    """Usable points of one source in one band: BJD - zero point in d, mag, mag."""

    time: NDArray[np.float64]
    mag: NDArray[np.float64]
    mag_error: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class EpochPhotometry:
    """Ragged light curves: points of source m are `offsets[m]:offsets[m + 1]`, archive order.

    `time` in d (BJD in the release's scale minus its zero point), `mag` and `mag_error` in mag,
    `band` an index into BAND_NAMES, `rejected` the archive's flags combined (photometry or
    variability processing).
    """

    name: ClassVar[str] = "epoch_photometry"
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    time: NDArray[np.float64]
    mag: NDArray[np.float64]
    mag_error: NDArray[np.float64]
    band: NDArray[np.uint8]
    rejected: NDArray[np.bool_]
    origin: str = "archive"

    def light_curve(self, item: int, band: int = G_BAND) -> LightCurve:
        """Return the points of one item (not catalog row) in one band that nothing rejected."""
        part = slice(int(self.offsets[item]), int(self.offsets[item + 1]))
        keep = (self.band[part] == band) & ~self.rejected[part]
        return LightCurve(self.time[part][keep], self.mag[part][keep], self.mag_error[part][keep])


Product = XpCoefficients | XpSampled | EpochPhotometry
PRODUCTS: dict[str, type[Product]] = {
    product.name: product for product in (XpCoefficients, XpSampled, EpochPhotometry)
}


def _folder(name: str) -> str:
    return f"observations/{name}"


def save_product(writer: StageWriter, product: Product) -> None:
    """Write a product's arrays, one file a field; one mapped from its own file is there."""
    for item in fields(product):
        value = getattr(product, item.name)
        if item.name == "origin":
            writer.save_json(f"{_folder(product.name)}/origin.json", {"origin": value})
            continue
        name = product_file(product.name, item.name)
        if _is_mapped(value, writer.path(name)):
            writer.add(name, value)
        else:
            writer.save_array(name, value)


def _is_mapped(value: NDArray, path: Path) -> bool:
    """Tell whether an array is mapped from this very file, which writing would cut under it."""
    if not isinstance(value, np.memmap) or value.filename is None:
        return False
    return Path(value.filename).resolve() == path.resolve()


def product_file(product: str, field: str) -> str:
    """Return the name of a product's array in its folder."""
    return f"{_folder(product)}/{field}.npy"


@dataclass(frozen=True)
class StreamState:
    """How far a product stream has come: last row, points of light curves, rows of each file."""

    last: int = -1
    points: int = 0
    files: Mapping[str, int] = field(default_factory=dict)


class ProductStream:
    """A product that is written part by part, in memory proportional to one part.

    With the `state` that an interrupted stream had when it was last flushed it goes on there; at
    least one part has to follow.
    """

    def __init__(
        self,
        writer: StageWriter,
        kind: type[Product],
        origin: str,
        state: StreamState | None = None,
    ) -> None:
        self.kind, self.origin = kind, origin
        self._writer = writer
        self._files: dict[str, ArrayStream] = {}
        self._begun = state or StreamState()
        self._last, self._points = self._begun.last, self._begun.points

    def append(self, part: Product) -> None:
        """Write the next sources, whose `rows` go on rising where the last part ended.

        The `offsets` of a part of ragged light curves count from its own first point; `origin`
        is the stream's. Raises ValueError for rows that fall, and arrays of another shape.
        """
        rows = part.rows
        if len(rows) and (rows[0] <= self._last or (np.diff(rows) <= 0).any()):
            raise ValueError(f"{self.kind.name}: rows must rise from part to part")
        for item in fields(part):
            if item.name == "origin":
                continue
            values = getattr(part, item.name)
            if item.name == "offsets":
                values = self._continued(values)
            self._file(item.name, values).append(values)
        self._last = int(rows[-1]) if len(rows) else self._last

    def _continued(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        moved = offsets + self._points
        self._points = int(moved[-1])
        begun = "offsets" in self._files or "offsets" in self._begun.files
        return np.asarray(moved[1:] if begun else moved)

    def _file(self, name: str, values: NDArray[Any]) -> ArrayStream:
        if name not in self._files:
            path = self._writer.path(f"{_folder(self.kind.name)}/{name}.npy")
            rows = self._begun.files.get(name, 0)
            self._files[name] = ArrayStream(path, values.dtype, values.shape[1:], rows=rows)
        return self._files[name]

    def flush(self) -> StreamState:
        """Bring all parts to the disk; returns the state from which a later stream can go on."""
        for file in self._files.values():
            file.flush()
        rows = {name: file.rows for name, file in self._files.items()}
        return StreamState(self._last, self._points, {**self._begun.files, **rows})

    def close(self) -> None:
        """Close the files; they hold what was appended."""
        for file in self._files.values():
            file.close()

    def finish(self) -> None:
        """Close the files and name them in the manifest; without any part there is no product."""
        self.close()
        folder = _folder(self.kind.name)
        for name, file in self._files.items():
            array = np.load(file.path, mmap_mode="r", allow_pickle=False)
            self._writer.add(f"{folder}/{name}.npy", array)
        if self._files:
            self._writer.save_json(f"{folder}/origin.json", {"origin": self.origin})


@contextmanager
def product_stream(
    writer: StageWriter, kind: type[Product], origin: str, state: StreamState | None = None
) -> Iterator[ProductStream]:
    """Write a product part by part: `with product_stream(...) as s: s.append(part)`.

    What results is byte for byte what `save_product` writes of all parts together. On an error
    the files are closed and not named in the manifest.
    """
    stream = ProductStream(writer, kind, origin, state)
    try:
        yield stream
        stream.finish()
    finally:
        stream.close()


def load_product(folder: Folder, kind: type[Product]) -> Product | None:
    """Open a product as memory maps; None where the folder has none."""
    if f"{_folder(kind.name)}/rows.npy" not in folder:
        return None
    origin = folder.json(f"{_folder(kind.name)}/origin.json")["origin"]
    arrays = {
        item.name: folder.array(f"{_folder(kind.name)}/{item.name}.npy")
        for item in fields(kind)
        if item.name != "origin"
    }
    return kind(**arrays, origin=origin)


def product_names(folder: Folder) -> tuple[str, ...]:
    """Names of the raw products that a survey or bundle holds."""
    return tuple(name for name in PRODUCTS if f"{_folder(name)}/rows.npy" in folder)


def product_files(folder: Folder, name: str) -> tuple[str, ...]:
    """Names of the files of a raw product."""
    return folder.names(f"{_folder(name)}/")


def item_of_row(rows: NDArray[np.int64], row: int) -> int | None:
    """Return the position of a catalog row in a product's `rows`, None where it is absent."""
    place = int(np.searchsorted(rows, row))
    return place if place < len(rows) and rows[place] == row else None
