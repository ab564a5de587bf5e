"""An opened bundle and its spaces: latents, maps, neighbors and decoding. What a view needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Folder
from latent_core.catalog import Catalog, Column, RowIndex
from latent_core.certainty import Certainty
from latent_core.derived import with_derived
from latent_core.errors import FolderError, InputError, UnknownSourceError
from latent_core.modalities import modality_names
from latent_core.products import PRODUCTS, Product, item_of_row, load_product, product_names
from latent_core.projection import (
    DrawingCopy,
    Projection,
    by_missing,
    place,
    project,
    read_projector,
)
from latent_core.similarity import (
    Hits,
    Scaling,
    SimilarityIndex,
    nearest_neighbors,
    read_index,
)
from latent_core.trust import Trust, load_trust, outside_reasons

if TYPE_CHECKING:
    from latent_core.encoding import TrainedModel
    from latent_core.modalities import Curve, Grid


# How many sources are asked for their nearest one; a scan of millions for each takes long
ASKED, FEW_ASKED, MANY_SOURCES = 2000, 200, 200_000
OUTSIDE_PERCENTILE = 99


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
        """The catalog's frame with the derived columns behind its own, one row a source."""
        return self._described.frame

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
                f"it holds {len(self.catalog):,} sources, check the id and the data release"
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


class LatentSpace(Certainty):
    """Blocks of latents side by side, with their maps and their similarity index.

    `latents` (N, K) float32 in catalog order, NaN rows where a source lacks a block;
    `blocks` name the slice of each modality.
    """

    def __init__(self, bundle: Bundle, name: str) -> None:
        self.bundle, self.name, self.folder = bundle, name, bundle.folder
        self._about: dict[str, Any] = bundle.folder.json(self._file("space.json"))
        self.latents: NDArray[np.float32] = bundle.folder.array(self._file("latents.npy"))
        in_order = sorted(self._about["blocks"].items(), key=lambda block: block[1])
        self.blocks = {name: slice(*ends) for name, ends in in_order}
        made_by = self._about["models"]
        self.models: dict[str, str] = {n: made_by[n] for n in self.blocks if n in made_by}
        self.latent_names: tuple[str, ...] = tuple(self._about["latent_names"])
        self.scaling = Scaling(
            np.asarray(self._about["scaling"]["mean"]),
            np.asarray(self._about["scaling"]["spread"]),
        )
        self._projections: dict[str, Projection] = {}
        self._limits: dict[bytes, float] = {}

    def _file(self, name: str) -> str:
        return f"spaces/{self.name}/{name}"

    @property
    def title(self) -> str:
        """What a person reads in the selector."""
        return str(self._about.get("title") or self.name)

    @cached_property
    def present(self) -> NDArray[np.int64]:
        """Catalog rows that have all blocks of this space, ascending, (M,)."""
        return np.flatnonzero(np.isfinite(self.latents).all(axis=1))

    @cached_property
    def z(self) -> NDArray[np.float32]:
        """z-scored latents of the rows in `present`, (M, K)."""
        return self.scaling.apply(self.latents[self.present]).astype(np.float32)

    @cached_property
    def index(self) -> SimilarityIndex:
        """The exact similarity index over `present`."""
        name = self._file("similarity.faiss")
        if name not in self.bundle.folder:
            return SimilarityIndex(self.z, self.blocks)
        file = self.bundle.folder.file(name)
        return SimilarityIndex(self.z, self.blocks, read_index(file, *self.z.shape))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Figures measured when the space was built; {} where none were."""
        name = self._file("metrics.json")
        return dict(self.bundle.folder.json(name)) if name in self.bundle.folder else {}

    @property
    def projections(self) -> tuple[str, ...]:
        """Names of the maps."""
        names = self.bundle.folder.names(self._file("projections/"))
        return tuple(n.split("/")[3] for n in names if n.endswith("/projection.json"))

    def projection(self, name: str | None = None) -> Projection:
        """Open a map by name (the first where none is given); opened once."""
        name = name or (self.projections[0] if self.projections else "")
        if name not in self.projections:
            raise FolderError(
                f"space {self.name!r} of {self.bundle.name} has no map {name!r}; "
                "run gaia-latent project to make one"
            )
        if name not in self._projections:
            self._projections[name] = self._open_projection(name)
        return self._projections[name]

    def _open_projection(self, name: str) -> Projection:
        folder, base = self.bundle.folder, self._file(f"projections/{name}/")
        about = folder.json(base + "projection.json")
        drawing = DrawingCopy(
            order=folder.array(base + "order.npy"),
            x=folder.array(base + "x.npy"),
            y=folder.array(base + "y.npy"),
            offsets=folder.array(base + "offsets.npy"),
            extent=tuple(about["extent"]),
        )
        own = base + "projector.safetensors"
        return Projection(
            name,
            folder.array(base + "coordinates.npy"),
            drawing,
            about["settings"],
            self.metrics.get("maps", {}).get(name, {}),
            read_projector(folder.file(own)) if own in folder else None,
        )

    def similar(
        self,
        source_id: int,
        k: int = 10,
        *,
        weights: Mapping[str, float] | None = None,
        where: NDArray[np.bool_] | None = None,
    ) -> pd.DataFrame:
        """Return the k sources most like one source, itself left out.

        Columns: source_id, row (of the catalog), distance, distance_<block> for each block.
        `where` (N,) allows catalog rows. Raises UnknownSourceError for an id that the bundle
        lacks, InputError for a source without latents in this space or a k that is not positive.
        """
        if k < 1:
            raise InputError(f"k is {k}; ask for at least one neighbor")
        row = self.bundle.row(source_id)
        self.refuse_without_latents(row)
        allowed = np.ones(len(self.latents), bool) if where is None else where.copy()
        allowed[row] = False
        return self.similar_to(self.latents[row], k, where=allowed, weights=weights)

    def similar_to(
        self,
        latents: NDArray[np.floating],
        k: int = 10,
        *,
        where: NDArray[np.bool_] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Return the k sources nearest to a point (K,) of the space, as `similar` does.

        A block with a NaN does not count, and its distances are NaN.
        """
        z = self.scaling.apply(latents)
        missing = [n for n, part in self.blocks.items() if not np.isfinite(z[part]).all()]
        counted = {**(weights or {}), **dict.fromkeys(missing, 0.0)}
        allowed = None if where is None else where[self.present]
        hits = self.table(
            self.index.search(np.nan_to_num(z), k, where=allowed, weights=counted or None)
        )
        return hits.assign(**{f"distance_{name}": np.nan for name in missing})

    def refuse_without_latents(self, row: int) -> None:
        """Raise InputError where a catalog row has no block of this space."""
        if not self.known_blocks(self.latents[row]):
            source_id = self.bundle.folder.catalog.source_id[row]
            raise InputError(
                f"source {source_id} has no latents in space {self.name!r}",
                remedy="it lacks every modality of this space, choose another space",
            )

    def known_blocks(self, latents: NDArray[np.floating]) -> tuple[str, ...]:
        """Names of the blocks that a point (K,) has; one with a NaN is missing."""
        return tuple(n for n, part in self.blocks.items() if np.isfinite(latents[part]).all())

    def table(self, hits: Hits) -> pd.DataFrame:
        """Turn hits into a table of catalog rows and exact ids."""
        rows = self.present[hits.items]
        columns: dict[str, Any] = {
            "source_id": self.bundle.folder.catalog.source_id[rows],
            "row": rows,
            "distance": hits.distance,
        }
        columns |= {f"distance_{name}": d for name, d in hits.by_block.items()}
        return pd.DataFrame(columns)

    def decode(
        self, latents: NDArray[np.floating], *, row: int | None = None
    ) -> dict[str, tuple[Curve | Grid, ...]]:
        """Decode a point (K,) into curves by block, in the scales of catalog row `row`.

        Without a row, each modality's stated reference source gives the scale. A space without
        models (imported latents) decodes to {}.
        """
        curves = {}
        for block, modality in self.models.items():
            model = self.bundle.model(modality)
            scales = None if row is None else model.scales_of(row)
            part = np.asarray(latents, np.float32)[self.blocks[block]]
            curves[block] = model.curves(part, scales)
        return curves

    def project(
        self, latents: NDArray[np.floating], projection: str | None = None
    ) -> NDArray[np.float32]:
        """Place points (L, K) on a map: by its own projector, or at the median of the places of
        their three nearest sources, which also places points that lack a block (NaN).
        """
        here = self.projection(projection)
        placed = place(self.z, here.coordinates[self.present], self.scaling.apply(latents))
        if here.projector is None:
            return placed
        return np.where(
            np.isfinite(latents).all(axis=1)[:, None], project(here.projector, latents), placed
        )

    def outside(self, latents: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points (L, K) lie farther from every source than sources do, (L,).

        The limit is the 99th percentile of the distance to the nearest other source, over random
        sources. NaN latents are left out of both; a point of NaN alone is outside.
        """
        z = self.scaling.apply(latents)
        found = np.ones(len(z), bool)
        for used, rows in by_missing(z):
            if used.any():
                _, distance = nearest_neighbors(self.z[:, used], 1, z[rows][:, used])
                found[rows] = distance[:, 0] > self._farthest(used)
        return found

    def _farthest(self, used: NDArray[np.bool_]) -> float:
        """Return the limit of `outside` for some of the latents, measured once."""
        key = used.tobytes()
        if key not in self._limits:
            count = min(FEW_ASKED if len(self.z) > MANY_SOURCES else ASKED, len(self.z))
            asked = np.random.default_rng(0).choice(len(self.z), count, replace=False)
            known = self.z[:, used]
            _, distance = nearest_neighbors(known, 2, known[asked])
            self._limits[key] = float(np.percentile(distance[:, -1], OUTSIDE_PERCENTILE))
        return self._limits[key]
