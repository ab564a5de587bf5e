"""Making the maps of a space: of all its sources, or of landmarks with the others placed.

A map of landmarks costs the same for any number of sources; the others are looked up and placed
chunk by chunk, so that memory grows with the chunk and the landmarks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.cells import NO_LIMIT, Cells
from latent_core.config import MAP_METHODS, MapSettings
from latent_core.landmarks import choose_landmarks, needs_landmarks
from latent_core.map_quality import measure_map
from latent_core.projection import FEWEST, Floats, Placer, principal_axes, umap_coordinates
from latent_core.similarity import Scaling
from latent_core.tsne import EXAGGERATED_FOR, EXAGGERATION, THEN_FOR, tsne_coordinates

CHUNK = 262_144
OWN_SETTINGS = {"umap": ("neighbors", "min_dist", "epochs"), "tsne": ("perplexity",)}
Say = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Map:
    """A map with how it was made and its quality; `coordinates` (N, 2) are NaN without latents.

    `landmarks` are the rows that it was made of, ascending; None where it was made of all.
    """

    method: str
    coordinates: Floats
    settings: dict[str, Any]
    quality: dict[str, Any]
    landmarks: NDArray[np.int64] | None


@dataclass(frozen=True)
class Layout:
    """Landmarks (L,) with their places (L, 2), before the others are placed."""

    method: str
    landmarks: NDArray[np.int64]
    xy: Floats


@dataclass(frozen=True)
class Rows:
    """The latents of a space (N, K), an array or a memory map, z-scored as they are asked for.

    `index` holds the rows that have all latents, where searching it is faster than a scan.
    """

    latents: NDArray[np.float32]
    scaling: Scaling
    source_id: NDArray[np.int64]
    index: Cells | None = None

    @classmethod
    def fitted(cls, latents: NDArray[np.float32], source_id: NDArray[np.int64]) -> Rows:
        """Scale by all rows that have all latents, as the index of a space does."""
        return cls(latents, Scaling.fit(latents[finite_rows(latents)]), source_id)

    def z(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return z-scores of some rows, (L, K) float32, chunk by chunk."""
        out = np.empty((len(rows), self.latents.shape[1]), np.float32)
        for part in chunks(len(rows)):
            out[part] = self.scaling.apply(self.latents[rows[part]])
        return out


def make_maps(
    rows: Rows, settings: MapSettings, say: Say, layouts: Sequence[Layout] = ()
) -> Iterator[Map]:
    """Make the maps that the settings name, one after another, of the same landmarks.

    `layouts` are those that `lay_out` found before.
    """
    present = finite_rows(rows.latents)
    for layout in layouts or lay_out(rows, settings, say):
        yield _finished(rows, settings, layout, present, say)


def lay_out(rows: Rows, settings: MapSettings, say: Say) -> Iterator[Layout]:
    """Choose landmarks and find their places, by one method after another."""
    landmarks = present = finite_rows(rows.latents)
    if needs_landmarks(len(present), settings.landmarks, full=settings.full):
        say(0, 0, f"choosing {settings.landmarks:,} landmarks of {len(present):,} sources")
        chosen = choose_landmarks(
            lambda r: rows.z(present[r]),
            rows.source_id[present],
            settings.landmarks,
            seed=settings.seed,
        )
        landmarks = present[chosen]
    z = rows.z(landmarks)
    for method in settings.methods:
        say(0, 0, f"{MAP_METHODS[method]} of {len(landmarks):,} sources")
        yield Layout(method, landmarks, coordinates_of(z, method, settings))


def coordinates_of(z: NDArray[np.float32], method: str, settings: MapSettings) -> Floats:
    """Return the map of z-scored latents, (M, K) -> (M, 2) float32."""
    if method == "umap":
        return umap_coordinates(z, settings)
    start = principal_axes(z)
    return start if len(z) < FEWEST else tsne_coordinates(z, start, settings)


def _finished(
    rows: Rows, settings: MapSettings, made: Layout, present: NDArray[np.int64], say: Say
) -> Map:
    """Place all other sources among the landmarks, and measure what the map keeps."""
    full = len(made.landmarks) == len(present)
    described = _described(settings, made, full)
    coordinates = np.full((len(rows.latents), 2), np.nan, np.float32)
    coordinates[made.landmarks] = made.xy
    rows_left = np.delete(np.arange(len(coordinates)), made.landmarks)
    if len(rows_left):
        # on a full map the few that lack a block have a search of the space's own, which is exact
        placer = Placer(rows.z(made.landmarks), made.xy, NO_LIMIT if full else None)
        for part in chunks(len(rows_left)):
            say(part.start, len(rows_left), f"{MAP_METHODS[made.method]}: placing the others")
            coordinates[rows_left[part]] = placer.place(rows.z(rows_left[part]))
        if not full:
            placed = int(np.isfinite(coordinates[:, 0]).sum()) - len(made.landmarks)
            described |= {"placed": placed, "looked_at": placer.budget}
    say(0, 0, f"{MAP_METHODS[made.method]}: measuring what it keeps")
    quality = measure_rows(rows, present, coordinates, np.isin(present, made.landmarks))
    return Map(made.method, coordinates, described, quality, None if full else made.landmarks)


def measure_rows(
    rows: Rows,
    present: NDArray[np.int64],
    coordinates: Floats,
    is_landmark: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Measure what a map (N, 2) keeps of the rows that have all latents, as `measure_map` does."""
    return measure_map(
        lambda asked: rows.z(present[asked]),
        coordinates[present],
        is_landmark,
        nearest=partial(_nearest, rows, rows.index, present) if rows.index else None,
    )


def _nearest(
    rows: Rows, index: Cells, present: NDArray[np.int64], asked: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    own = present[asked]
    return np.searchsorted(present, index.nearest(rows.z(own), k, skip=own).rows)


def _described(settings: MapSettings, made: Layout, full: bool) -> dict[str, Any]:
    described = {"method": made.method, "full": full}
    if not full:
        described["landmarks"] = len(made.landmarks)
    described |= {name: getattr(settings, name) for name in OWN_SETTINGS[made.method]}
    if made.method == "tsne":
        described |= {"exaggeration": EXAGGERATION, "iterations": [EXAGGERATED_FOR, THEN_FOR]}
    return {**described, "seed": settings.seed}


def finite_rows(latents: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the rows that have all latents, ascending, looking at a chunk at a time."""
    whole = np.zeros(len(latents), bool)
    for part in chunks(len(latents)):
        whole[part] = np.isfinite(latents[part]).all(axis=1)
    return np.flatnonzero(whole)


def chunks(count: int, size: int = CHUNK) -> Iterator[slice]:
    """Cut `count` rows into slices of at most `size`."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
