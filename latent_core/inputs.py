"""Model input in a bundle: stored as arrays, or made again of the raw product when asked for.

A model that is trained here has its input stored: every epoch reads it. One that came with its
weights reads it once, so only what its rows and scales are is stored; the arrays of a few rows
cost less to make than to keep, for light curves ten times the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import CATALOG, Folder, StageWriter
from latent_core.chunks import Chunk, catalog_rows, product_in, product_of, source_count
from latent_core.errors import LatentError
from latent_core.modalities import Constants, Modality, Observations, load_modality
from latent_core.products import PRODUCTS, Product, load_product, product_files

Key = int | slice | NDArray[np.int64] | NDArray[np.bool_]


class InputMaker:
    """Makes the input of one modality from a folder's raw product and catalog, part by part."""

    def __init__(self, folder: Folder, modality: Modality, constants: Constants) -> None:
        self.folder, self.modality, self.constants = folder, modality, constants

    @cached_property
    def product(self) -> Product:
        """The raw product, memory-mapped; raises LatentError where the folder has none."""
        return product_of_kind(self.folder, self.modality.product)

    def of_chunk(self, chunk: Chunk) -> Observations:
        """Prepare a chunk; its rows are the catalog's."""
        rows = slice(chunk.start, chunk.stop)
        part = product_in(self.product, chunk)
        catalog = catalog_rows(self.folder, rows, self.modality.catalog_columns)
        given = self.modality.preprocess(part, catalog, self.constants)
        rejected = tuple((row + chunk.start, why) for row, why in given.rejected)
        return Observations(given.rows + chunk.start, given.arrays, given.scales, rejected)

    def of_rows(self, rows: NDArray[np.int64]) -> Observations:
        """Prepare ascending catalog rows (M,), all of which are usable."""
        catalog = catalog_rows(self.folder, rows, self.modality.catalog_columns)
        part = product_of(self.product, rows)
        given = self.modality.preprocess(part, catalog, self.constants)
        if not np.array_equal(given.rows, np.arange(len(rows))):
            raise LatentError(
                f"{self.folder.path}: {self.modality.name} cannot be prepared as it was; "
                "run gaia-latent build to renew the bundle"
            )
        return Observations(rows, given.arrays, given.scales)


def product_of_kind(folder: Folder, name: str) -> Product:
    """Open a raw product; raises LatentError where the folder has none."""
    product = load_product(folder, PRODUCTS[name])
    if product is None:
        raise LatentError(f"{folder.path} holds no {name}; ingest files that carry it")
    return product


class MadeArrays(Mapping[str, Any]):
    """The arrays of a model's input by name, made of the raw product for the rows asked for."""

    def __init__(self, maker: InputMaker, rows: NDArray[np.int64]) -> None:
        self.maker, self.rows = maker, rows
        self._last: tuple[NDArray[np.int64], Mapping[str, NDArray]] | None = None

    @cached_property
    def first(self) -> Mapping[str, NDArray]:
        """The arrays of the first row, which tell shapes and dtypes."""
        return self.maker.of_rows(np.asarray(self.rows[:1], np.int64)).arrays

    def __getitem__(self, name: str) -> MadeArray:
        if name not in self.first:
            raise KeyError(name)
        return MadeArray(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.first)

    def __len__(self) -> int:
        return len(self.first)

    def made(self, items: NDArray[np.int64]) -> Mapping[str, NDArray]:
        """Make the arrays of some rows (M,), any order; the last ones are kept for their names."""
        if self._last is None or not np.array_equal(self._last[0], items):
            chosen, back = np.unique(items, return_inverse=True)
            arrays = self.maker.of_rows(np.asarray(self.rows[chosen], np.int64)).arrays
            self._last = items, {n: a[back] for n, a in arrays.items()}
        return self._last[1]


class MadeArray:
    """One array of a model's input, (M, ...): what is asked for is made, as numpy would cut it."""

    def __init__(self, arrays: MadeArrays, name: str) -> None:
        self._arrays, self._name = arrays, name

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the shape of one."""
        return (len(self), *self._arrays.first[self._name].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of its numbers."""
        return self._arrays.first[self._name].dtype

    def __len__(self) -> int:
        return len(self._arrays.rows)

    def __getitem__(self, key: Any) -> Any:
        rows, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        items = np.arange(len(self))[rows]
        made = self._arrays.made(np.atleast_1d(items).ravel())[self._name]
        shaped = made.reshape(*np.shape(items), *made.shape[1:])
        return shaped[(slice(None),) * np.ndim(items) + rest] if rest else shaped

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        """Make all rows: for a small survey only."""
        return np.asarray(self[:], dtype)


def has_observations(folder: Folder, name: str) -> bool:
    """Tell whether a bundle holds what a model was given (published latents come without)."""
    return f"inputs/{name}/rows.npy" in folder


def load_observations(folder: Folder, name: str) -> Observations:
    """Open a model's input: memory maps of what is stored, else arrays that are made on demand."""
    base = f"inputs/{name}/"
    rows, scales = folder.array(base + "rows.npy"), folder.array(base + "scales.npy")
    stored: Mapping[str, Any] = {
        file[len(base) + len("array_") : -len(".npy")]: folder.array(file)
        for file in folder.names(base + "array_")
    }
    return Observations(rows, stored or MadeArrays(maker_of(folder, name), rows), scales)


def observations_in(folder: Folder, name: str, chunk: Chunk) -> Observations:
    """Return a model's input of a chunk, in memory."""
    if not folder.names(f"inputs/{name}/array_"):
        return maker_of(folder, name).of_chunk(chunk)
    whole = load_observations(folder, name)
    items = chunk.items(whole.rows)
    arrays = {n: np.asarray(a[items]) for n, a in whole.arrays.items()}
    return Observations(np.asarray(whole.rows[items]), arrays, np.asarray(whole.scales[items]))


def maker_of(folder: Folder, name: str) -> InputMaker:
    """Return what makes a model's input again, by the modality and constants it was made with."""
    modality = load_modality(folder.json(f"inputs/{name}/made.json")["modality"])
    return InputMaker(folder, modality, load_constants(folder, name))


def load_constants(folder: Folder, name: str) -> Constants:
    """Return the constants that a model's input was made with."""
    plain: Mapping[str, Any] = folder.json(f"inputs/{name}/constants.json")
    return {n: np.asarray(c, np.float64) for n, c in plain.items()}


def save_observations(writer: StageWriter, name: str, observations: Observations) -> None:
    """Write model input, one file an array."""
    base = f"inputs/{name}"
    writer.save_array(f"{base}/rows.npy", observations.rows)
    writer.save_array(f"{base}/scales.npy", observations.scales)
    for array_name, array in observations.arrays.items():
        writer.save_array(f"{base}/array_{array_name}.npy", array)


def files_of(folder: Folder, name: str) -> tuple[str, ...]:
    """Name all files that a model's input is read from, or made of."""
    own = folder.names(f"inputs/{name}/")
    if folder.names(f"inputs/{name}/array_"):
        return own
    return (*own, *source_files(folder, maker_of(folder, name).modality))


def source_files(folder: Folder, modality: Modality) -> tuple[str, ...]:
    """Name the files that a modality's input is made of."""
    return (CATALOG, *product_files(folder, modality.product))


def of_all_rows(folder: Folder, model: str, file: str) -> NDArray[np.float32]:
    """Return an array of a model for all catalog rows (N, k), NaN where it has none."""
    base = f"models/{model}"
    size = folder.array(f"{base}/latents.npy").shape[1]
    spread = np.full((source_count(folder), size), np.nan, np.float32)
    if f"{base}/{file}.npy" in folder:
        spread[folder.array(f"inputs/{model}/rows.npy")] = folder.array(f"{base}/{file}.npy")
    return spread
