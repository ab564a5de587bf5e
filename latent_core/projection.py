"""Two-dimensional maps of a latent space, and their copies sorted for drawing.

UMAP runs on neighbors found beforehand (self first, true distances) from a PCA start: same local
quality as its own search and spectral start, better global order, and no compile of a second
neighbor search (speed.md, 5). Rows that arrive later are placed at the median of their three
nearest neighbors' places, which depends on no other new row (unlike `umap.transform`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import StageWriter
from latent_core.cells import CELL, MOST_LOOKED_AT, Cells
from latent_core.config import MapSettings
from latent_core.similarity import nearest_neighbors

if TYPE_CHECKING:
    from latent_core.models.projector import Projector

GRID = 256
PLACING_NEIGHBORS = 3
FEWEST = 5  # rows that have a neighborhood to keep
ROWS_A_TASK = 32_768
FEWEST_LOOKED_AT, ENOUGH, ASKED = 512, 0.9, 300
MOST_WAYS = 4  # of comparing by some of the latents that are kept ready
_ALL = b""
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
    start = principal_axes(z)
    if len(z) < FEWEST:
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


def principal_axes(z: NDArray[np.floating]) -> Floats:
    """Return the first two principal components, (M, K) -> (M, 2)."""
    centred = np.asarray(z, np.float64) - np.mean(z, axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred.T @ centred)
    flat = np.zeros((len(z), 2), np.float32)
    width = min(2, centred.shape[1])
    flat[:, :width] = centred @ axes[:width].T
    return flat


class Placer:
    """Places rows on a map: at the median of the places of their three nearest known rows.

    `known_z` (M, K) are z-scored latents of the rows that the map was made of, `known_xy` (M, 2)
    their places; `budget` is how many known rows a search looks at before it takes the nearest so
    far, NO_LIMIT for the nearest indeed, and measured where it is not given.
    """

    def __init__(
        self, known_z: NDArray[np.floating], known_xy: Floats, budget: int | None = None
    ) -> None:
        self._z = np.asarray(known_z, np.float32)
        self._xy = np.asarray(known_xy)
        self._cells = {_ALL: Cells.build(self._z)}
        self.budget = budget or enough_rows(self._cells[_ALL])

    def place(self, new_z: NDArray[np.floating]) -> Floats:
        """Place rows (L, K), each by itself; one that equals a known row shares its place.

        Latents that are NaN are left out of the comparison; a row without any gives NaN.
        """
        placed = np.full((len(new_z), 2), np.nan, np.float32)
        for used, rows in by_missing(new_z):
            if used.any():
                cells = self._compared_by(used)
                if len(rows) > CELL:  # so that one search reads what the last one read
                    rows = rows[Cells.build(new_z[rows][:, used]).rows]
                work = partial(self._place, new_z[:, used], cells, placed)
                starts = range(0, len(rows), ROWS_A_TASK)
                _spread(work, [rows[start : start + ROWS_A_TASK] for start in starts])
        return placed

    def _place(
        self, new_z: NDArray[np.floating], cells: Cells, placed: Floats, rows: NDArray[np.int64]
    ) -> None:
        asked = np.asarray(new_z[rows], np.float32)
        count = min(PLACING_NEIGHBORS, len(self._xy))
        found = cells.nearest(asked, count, budget=self.budget)
        placed[rows] = among(self._xy, found.rows, found.distance)

    def _compared_by(self, used: NDArray[np.bool_]) -> Cells:
        """Return the known rows sorted by some of their latents; a few ways are kept ready."""
        key = _ALL if used.all() else used.tobytes()
        if key not in self._cells:
            if len(self._cells) > MOST_WAYS:
                self._cells.pop(next(k for k in self._cells if k != _ALL))
            self._cells[key] = Cells.build(self._z[:, used])
        return self._cells[key]


def enough_rows(cells: Cells) -> int:
    """Measure how many rows to look at: as few as find ENOUGH of the three nearest of known rows.

    Latents of stars fill few dimensions: 512 of 200,000 rows find 93 % of the nearest, and a map
    that is as trustworthy as by all of them, in a third of the time. Where latents fill all their
    dimensions, MOST_LOOKED_AT find what they find, and the nearest of those are near as well.
    """
    drawn = np.random.default_rng(0).choice(len(cells.z), min(len(cells.z), ASKED), replace=False)
    asked, skip = cells.z[drawn], cells.rows[drawn]
    k = min(PLACING_NEIGHBORS, len(cells.z) - 1)
    if len(cells.z) <= FEWEST_LOOKED_AT or k < 1:
        return FEWEST_LOOKED_AT
    true = cells.nearest(asked, k, skip=skip).rows
    budget = FEWEST_LOOKED_AT
    while budget < MOST_LOOKED_AT:
        found = cells.nearest(asked, k, skip=skip, budget=budget).rows
        if (found[:, :, None] == true[:, None, :]).any(axis=2).mean() >= ENOUGH:
            break
        budget *= 2
    return budget


def among(
    xy: Floats, rows: NDArray[np.int64], distance: NDArray[np.float64]
) -> NDArray[np.floating]:
    """Return the median place of each point's nearest rows (L, k), or that of a row it equals."""
    k = rows.shape[1]
    places = np.sort(xy[rows], axis=1)
    middle = (places[:, (k - 1) // 2] + places[:, k // 2]) / 2
    same = distance[:, 0] == 0
    middle[same] = xy[rows[same, 0]]
    return np.asarray(middle, np.float32)


def _spread(work: Callable[[NDArray[np.int64]], None], parts: Sequence[NDArray[np.int64]]) -> None:
    """Work on parts in as many threads as FAISS takes: OMP_NUM_THREADS, or one a core."""
    if len(parts) < 2:
        for part in parts:
            work(part)
        return
    import faiss

    with ThreadPoolExecutor(faiss.omp_get_max_threads()) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()


def place(known_z: NDArray[np.floating], known_xy: Floats, new_z: NDArray[np.floating]) -> Floats:
    """Place new rows (L, K) once, as `Placer` does."""
    return Placer(known_z, known_xy).place(new_z)


def by_missing(
    z: NDArray[np.floating],
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Yield which latents are finite (K,), and the rows of which just those are."""
    finite = np.isfinite(z)
    if len(z) and finite.all():  # sorting millions of equal patterns takes longer than placing
        yield finite[0], np.arange(len(z))
        return
    which = np.zeros(len(z), np.int64)
    for byte in np.packbits(finite, axis=1).T:  # numbered by a hash: a sort takes long
        which = pd.factorize(which << 8 | byte)[0]
    for number in range(int(which.max(initial=-1)) + 1):
        rows = np.flatnonzero(which == number)
        yield finite[rows[0]], rows


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
