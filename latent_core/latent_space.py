"""An opened latent space: latents, maps, neighbors and decoding. What a view needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.certainty import Certainty
from latent_core.errors import FolderError, InputError
from latent_core.projection import (
    DrawingCopy,
    Placer,
    Projection,
    by_missing,
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

if TYPE_CHECKING:
    from latent_core.modalities import Curve, Grid
    from latent_core.opened import Bundle


# How many sources are asked for their nearest one; a scan of millions for each takes long
ASKED, FEW_ASKED, MANY_SOURCES = 2000, 200, 200_000
OUTSIDE_PERCENTILE = 99


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
        self._placers: dict[str, Placer] = {}
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
        files = [n for n in names if n.endswith("/projection.json")]
        return tuple(n.split("/")[3] for n in sorted(files, key=self._rank))

    def _rank(self, file: str) -> int:
        return int(self.bundle.folder.json(file).get("rank", 0))

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
            about.get("quality") or self.metrics.get("maps", {}).get(name, {}),
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
        their three nearest landmarks, which also places points that lack a block (NaN).
        """
        here = self.projection(projection)
        placed = self._placer(here).place(self.scaling.apply(latents))
        if here.projector is None:
            return placed
        return np.where(
            np.isfinite(latents).all(axis=1)[:, None], project(here.projector, latents), placed
        )

    def _placer(self, here: Projection) -> Placer:
        """Keep a map's landmarks ready; all sources where it came without any."""
        if here.name not in self._placers:
            base = self._file(f"projections/{here.name}/")
            folder, own = self.bundle.folder, base + "landmarks.npy" in self.bundle.folder
            rows = folder.array(base + "landmarks.npy") if own else self.present
            cells = folder.array(base + "cells.npy") if own else None
            z = self.scaling.apply(self.latents[rows])
            self._placers[here.name] = Placer(z, here.coordinates[rows], cells)
        return self._placers[here.name]

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
