"""Two-dimensional maps of a latent space, and their copies sorted for drawing.

UMAP runs on exact FAISS neighbors (self first, true distances) from a PCA start: same local
quality as its own search and spectral start, better global order, and no compile of a second
neighbor search (speed.md, 5). Rows that arrive later are placed at the median of their three
nearest neighbors' places, which depends on no other new row (unlike `umap.transform`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import StageWriter
from latent_core.config import MapSettings
from latent_core.similarity import nearest_neighbors

if TYPE_CHECKING:
    from latent_core.models.projector import Projector

GRID = 256
PLACING_NEIGHBORS = 3
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DrawingCopy:
    """Points sorted by the cells of a GRID x GRID raster, so a rectangle is few contiguous runs.

    `order` (P,) catalog rows in drawing order; `x`, `y` (P,) float32 in that order; the points of
    cell c = row * GRID + column are `offsets[c]:offsets[c + 1]`; `extent` is x0, x1, y0, y1.
    """

    order: NDArray[np.int64]
    x: Floats
    y: Floats
    offsets: NDArray[np.int64]
    extent: tuple[float, float, float, float]


@dataclass(frozen=True)
class Projection:
    """A map: `coordinates` (N, 2) in catalog order, NaN where a source has no latents.

    A parametric map brings the `projector` that made it.
    """

    name: str
    coordinates: Floats
    drawing: DrawingCopy
    settings: dict[str, Any]
    quality: dict[str, Any]
    projector: Projector | None = None


def umap_coordinates(
    z: NDArray[np.floating],
    settings: MapSettings,
) -> Floats:
    """Return the UMAP of z-scored latents, (M, K) -> (M, 2) float32 (McInnes et al. 2018).

    Fewer than 5 rows have no neighborhood to keep: they are placed by PCA.
    """
    start = _principal_axes(z)
    if len(z) < 5:
        return start
    neighbors = min(settings.neighbors, len(z) - 1)
    known = nearest_neighbors(z, neighbors)
    import umap

    with warnings.catch_warnings():
        # it says that `transform` will not work, which is why we place new rows ourselves
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)

        mapper = umap.UMAP(
            n_neighbors=neighbors,
            min_dist=settings.min_dist,
            n_epochs=settings.epochs,
            init=start * (10.0 / max(float(np.abs(start).max()), 1e-12)),
            precomputed_knn=(*known, None),
            random_state=settings.seed,
            n_jobs=1,
        )
        return np.asarray(mapper.fit_transform(np.asarray(z, np.float32)), np.float32)


def _principal_axes(z: NDArray[np.floating]) -> Floats:
    centred = np.asarray(z, np.float64) - np.mean(z, axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred.T @ centred)
    flat = np.zeros((len(z), 2), np.float32)
    width = min(2, centred.shape[1])
    flat[:, :width] = centred @ axes[:width].T
    return flat


def place(known_z: NDArray[np.floating], known_xy: Floats, new_z: NDArray[np.floating]) -> Floats:
    """Place new rows (L, K) on a map: the median place of their three nearest known rows.

    Latents that are NaN are left out of the comparison; a row without any gives NaN.
    """
    placed = np.full((len(new_z), 2), np.nan, np.float32)
    for used, rows in by_missing(new_z):
        if used.any():
            items, _ = nearest_neighbors(known_z[:, used], PLACING_NEIGHBORS, new_z[rows][:, used])
            placed[rows] = np.median(known_xy[items], axis=1)
    return placed


def by_missing(
    z: NDArray[np.floating],
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Yield which latents are finite (K,), and the rows of which just those are."""
    patterns, which = np.unique(np.isfinite(z), axis=0, return_inverse=True)
    for number, used in enumerate(patterns):
        yield used, np.flatnonzero(which == number)


def project(network: Projector, latents: NDArray[np.floating]) -> Floats:
    """Run a parametric map over raw latents, (L, K) -> (L, 2); NaN where one is missing."""
    import torch

    placed = np.full((len(latents), 2), np.nan, np.float32)
    whole = np.isfinite(latents).all(axis=1)
    with torch.inference_mode():
        placed[whole] = network(torch.from_numpy(np.array(latents[whole], np.float32))).numpy()
    return placed


def save_projector(writer: StageWriter, name: str, network: Projector) -> None:
    """Write a projector's weights as `name`, safetensors."""
    from safetensors.torch import save_file

    save_file({n: t.contiguous() for n, t in network.state_dict().items()}, writer.path(name))
    writer.add(name)


def read_projector(file: Path) -> Projector:
    """Read what `save_projector` wrote."""
    from safetensors.torch import load_file

    from latent_core.models.projector import Projector

    state = load_file(file)
    network = Projector(state["body.0.weight"].shape[1])
    network.load_state_dict(state)
    return network.eval()


def extent_of(x: Floats, y: Floats) -> tuple[float, float, float, float]:
    """Return x0, x1, y0, y1 of finite points, never of zero width."""
    if not len(x):
        return (0.0, 1.0, 0.0, 1.0)
    box = [float(x.min()), float(x.max()), float(y.min()), float(y.max())]
    for low, high in ((0, 1), (2, 3)):
        if box[high] <= box[low]:
            box[low], box[high] = box[low] - 0.5, box[high] + 0.5
    return (box[0], box[1], box[2], box[3])


def cell_of(values: Floats, low: float, high: float) -> NDArray[np.int64]:
    """Return the grid column (or row) of each value; values on the upper edge count inside."""
    cell = ((values.astype(np.float64) - low) * (GRID / (high - low))).astype(np.int64)
    return np.clip(cell, 0, GRID - 1)


def sort_for_drawing(
    coordinates: Floats, extent: tuple[float, float, float, float] | None = None
) -> DrawingCopy:
    """Sort the rows that have a finite place by grid cell.

    `extent` is x0, x1, y0, y1 of a grid that holds all places; without it, it just holds them.
    """
    rows = np.flatnonzero(np.isfinite(coordinates).all(axis=1))
    x, y = coordinates[rows, 0], coordinates[rows, 1]
    extent = extent_of(x, y) if extent is None else extent
    cell = cell_of(y, extent[2], extent[3]) * GRID + cell_of(x, extent[0], extent[1])
    cell = cell.astype(np.uint16)  # numpy sorts 16 bits by their digits, ten times as fast
    by_cell = np.argsort(cell, kind="stable")
    offsets = np.zeros(GRID * GRID + 1, np.int64)
    np.cumsum(np.bincount(cell, minlength=GRID * GRID), out=offsets[1:])
    return DrawingCopy(
        order=rows[by_cell].astype(np.int64),
        x=np.ascontiguousarray(x[by_cell], np.float32),
        y=np.ascontiguousarray(y[by_cell], np.float32),
        offsets=offsets,
        extent=extent,
    )
