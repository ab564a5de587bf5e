"""An opened bundle: its catalog, its spaces, its models and what was measured of each source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Folder
from latent_core.catalog import Catalog, Column, RowIndex
from latent_core.derived import with_derived
from latent_core.errors import FolderError, UnknownSourceError
from latent_core.frames import LazyFrame
from latent_core.latent_space import LatentSpace
from latent_core.modalities import modality_names
from latent_core.products import PRODUCTS, Product, item_of_row, load_product, product_names
from latent_core.trust import Trust, load_trust, outside_reasons

if TYPE_CHECKING:
    from latent_core.encoding import TrainedModel
    from latent_core.modalities import Curve, Grid


class Bundle:
    """A bundle opened for exploring: `bundle.space("main")`, `bundle.row(source_id)`."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._spaces: dict[str, LatentSpace] = {}
        self._models: dict[str, TrainedModel] = {}

    @classmethod
    def open(cls, path: Path | str) -> Bundle:
        """Open a folder; raises FolderError where it is missing, damaged or has no space."""
        bundle = cls(Folder.open(path, "bundle"))
        if not bundle.spaces:
            raise FolderError(
                f"{path} has no latent space yet; run gaia-latent build to finish it"
            )
        return bundle

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.folder.name

    @property
    def simulated(self) -> bool:
        """Whether its sources are simulated; every picture of them must say so."""
        return self.folder.manifest.simulated

    @cached_property
    def _described(self) -> Catalog:
        return with_derived(self.folder)

    @property
    def catalog(self) -> pd.DataFrame:
        """The catalog's frame with the derived columns behind its own, one row a source.

        Its columns are read-only maps of the bundle's files where it has them.
        """
        return self._described.frame

    @property
    def table(self) -> LazyFrame:
        """The same columns, each opened when it is first asked for: `bundle.table["teff"]`."""
        return self._described.lazy

    @property
    def columns(self) -> tuple[Column, ...]:
        """How the columns of `catalog` are named, measured and shown."""
        return self._described.columns

    def column(self, name: str) -> Column:
        """Describe a column of `catalog`; KeyError where it has none of that name."""
        return self._described.column(name)

    @cached_property
    def _rows(self) -> RowIndex:
        return RowIndex(self.folder.catalog.source_id)

    def row(self, source_id: int) -> int:
        """Return the catalog row of a source; raises UnknownSourceError where it has none."""
        row = int(self._rows.find(np.asarray([source_id], np.int64))[0])
        if row < 0:
            raise UnknownSourceError(
                f"source_id {source_id} is not in {self.name}; "
                f"it holds {len(self.table):,} sources, check the id and the data release"
            )
        return row

    def rows(self, source_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return catalog rows of many ids, -1 where one is not in the bundle."""
        return self._rows.find(source_ids)

    @property
    def spaces(self) -> tuple[str, ...]:
        """Names of the latent spaces, in the order in which they were configured."""
        return space_names(self.folder)

    def space(self, name: str | None = None) -> LatentSpace:
        """Open a space by name (the first where none is given); opened once."""
        if name in self._spaces:  # views ask at every step, and `spaces` reads files
            return self._spaces[name]
        name = name or self.spaces[0]
        if name not in self.spaces:
            raise FolderError(
                f"space {name!r} is not in {self.name}; it has {', '.join(self.spaces)}"
            )
        if name not in self._spaces:
            self._spaces[name] = LatentSpace(self, name)
        return self._spaces[name]

    @property
    def model_names(self) -> tuple[str, ...]:
        """The bundle's trained models, those of a modality together, in the registry's order."""
        held = {n.split("/")[1] for n in self.folder.names("models/")}
        order = modality_names()
        eats = {name: self.folder.json(f"models/{name}/model.json")["modality"] for name in held}
        return tuple(sorted(held, key=lambda name: (order.index(eats[name]), name)))

    def model(self, name: str) -> TrainedModel:
        """Load a trained model (torch) once; raises FolderError where the bundle has none."""
        if name not in self._models:
            from latent_core.encoding import load_model

            self._models[name] = load_model(self.folder, name)
        return self._models[name]

    def trust(self, model: str) -> Trust | None:
        """Return how far a model can be trusted on each source; None where it is not known."""
        return load_trust(self.folder, model)

    def outside_reasons(self, row: int) -> dict[str, str]:
        """Say why a source is outside the training data, by model; {} where it is not."""
        return outside_reasons(self.folder, self.model_names, row)

    @cached_property
    def products(self) -> Mapping[str, Product]:
        """Raw products by name, memory-mapped."""
        loaded = {n: load_product(self.folder, PRODUCTS[n]) for n in product_names(self.folder)}
        return {name: product for name, product in loaded.items() if product is not None}

    def observed(self, row: int, modality: str) -> tuple[Curve | Grid, ...]:
        """Return what was measured of a source in one modality; () where nothing was."""
        model = self.model(modality)
        product = self.products.get(model.modality.product)
        item = None if product is None else item_of_row(product.rows, row)
        place_in_inputs = item_of_row(model.rows, row)
        given = model.observations
        if product is None or given is None or item is None or place_in_inputs is None:
            return ()
        arrays = {name: array[place_in_inputs] for name, array in given.arrays.items()}
        scales = given.scales[place_in_inputs]
        return model.modality.observed(product, item, arrays, scales, model.constants)

    def reconstructed(self, row: int, modality: str) -> tuple[Curve | Grid, ...]:
        """Return the model's decoding of a source's own latents, in the units of `observed`."""
        model = self.model(modality)
        item = item_of_row(model.rows, row)
        return () if item is None else model.curves(model.latents[item], model.scales_of(row))


def space_names(folder: Folder) -> tuple[str, ...]:
    """Names of a folder's latent spaces, by rank."""
    found = [n.split("/")[1] for n in folder.names("spaces/") if n.endswith("/space.json")]
    rank = {name: folder.json(f"spaces/{name}/space.json").get("rank", 0) for name in found}
    return tuple(sorted(found, key=lambda name: (rank[name], name)))
