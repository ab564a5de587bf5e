"""An opened latent space: latents, maps, neighbors and decoding. What a view needs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latent_core.certainty import Certainty
from latent_core.errors import FolderError
from latent_core.neighborhood import Neighborhood
from latent_core.projection import (
    PLACING_NEIGHBORS,
    DrawingCopy,
    Placer,
    Projection,
    among,
    project,
    read_projector,
)
from latent_core.similarity import Scaling

if TYPE_CHECKING:
    from latent_core.modalities import Curve, Grid
    from latent_core.opened import Bundle


class LatentSpace(Certainty, Neighborhood):
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

    def _file(self, name: str) -> str:
        return f"spaces/{self.name}/{name}"

    @property
    def title(self) -> str:
        """What a person reads in the selector."""
        return str(self._about.get("title") or self.name)

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
        their three nearest landmarks (sources, where a map was made of all), which also places
        points that lack a block (NaN).
        """
        here = self.projection(projection)
        landmarks = self._file(f"projections/{here.name}/landmarks.npy")
        if landmarks in self.bundle.folder:
            placed = self._placer(here, landmarks).place(self.scaling.apply(latents))
        else:
            found = self.nearest(latents, min(PLACING_NEIGHBORS, len(self.present)))
            placed = among(here.coordinates, *found).astype(np.float32)
            placed[found[0][:, 0] < 0] = np.nan
        if here.projector is None:
            return placed
        return np.where(
            np.isfinite(latents).all(axis=1)[:, None], project(here.projector, latents), placed
        )

    def _placer(self, here: Projection, landmarks: str) -> Placer:
        """Keep a map's landmarks ready."""
        if here.name not in self._placers:
            rows = self.bundle.folder.array(landmarks)
            budget = here.settings.get("looked_at")
            self._placers[here.name] = Placer(self.scaled(rows), here.coordinates[rows], budget)
        return self._placers[here.name]
