"""Histograms of magnitude against time differences, both variants of Huijse et al. 2025."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numba import njit
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.modalities import (
    PAPER,
    RELEASE,
    Constants,
    Curve,
    Floats,
    Grid,
    Modality,
    Observations,
)
from latent_core.modalities.light_curves import (
    FEWEST_POINTS,
    MOST_EPOCHS,
    clean,
    error_bins,
    too_few_or_flat,
)
from latent_core.products import G_BAND, EpochPhotometry, Product

DT_EDGES_D = np.array([0.04, 0.125, 0.3333, 2.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2500.0])
DM_EDGES = np.append(np.linspace(0, 3, 20), np.inf)
# The paper's histogram keeps the sign of the difference (huijse-2025.md, 4.4): a first edge below
# zero says so.
PAPER_CONSTANTS = {
    "dt_edges": np.array([0.07, 0.1, 0.5, 20.0, 50.0, DT_EDGES_D[-1]]),
    "dm_edges": np.linspace(-3 - 6 / 21, 3 + 6 / 21, 24),
}


class DmdtModality(Modality):
    """P(|dm| given dt) of all pairs of points, |dm| in units of the curve's own sd, dm-major.

    Each time column is divided by its number of pairs; an empty column is masked. The `error` of
    a cell is 1 / sqrt(pairs of its column) (huijse-2025.md, 4.4). The preparation `paper` has
    23 x 5 cells of signed differences, later minus earlier. What lies beyond the edges counts in
    the first or the last cell.
    """

    name = "dmdt"
    title = "dm-dt histogram"
    product = EpochPhotometry.name
    scale_names = ("mag_std",)
    preparations = MappingProxyType({RELEASE: {}, PAPER: PAPER_CONSTANTS})

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Clean and count pairs; a curve of under 5 points or of no spread is refused."""
        assert isinstance(product, EpochPhotometry)  # noqa: S101 - the registry pairs them
        rows = np.asarray(product.rows, np.int64)
        dt_edges, dm_edges = _edges(constants)
        counts, spread, points = _count_pairs(
            np.asarray(product.offsets),
            np.asarray(product.time, np.float64),
            np.asarray(product.mag, np.float32).astype(np.float64),
            np.asarray(product.mag_error, np.float64),
            np.asarray((product.band == G_BAND) & ~product.rejected),
            error_bins(constants),
            dt_edges,
            dm_edges,
        )
        usable = (points >= FEWEST_POINTS) & (spread > 0)
        counts = counts[usable]
        pairs = counts.sum(axis=1, keepdims=True)
        x = np.divide(counts, np.maximum(pairs, 1), out=counts)
        error = np.broadcast_to(1 / np.sqrt(np.maximum(pairs, 1)), x.shape)
        mask = np.broadcast_to(pairs > 0, x.shape)
        size = (len(dm_edges) - 1) * (len(dt_edges) - 1)
        return Observations(
            rows=rows[usable],
            arrays={
                "x": x.reshape(-1, size),
                "error": error.reshape(-1, size),
                "mask": mask.reshape(-1, size),
            },
            scales=spread[usable, None],
            rejected=tuple(
                (int(rows[i]), too_few_or_flat(points[i])) for i in np.flatnonzero(~usable)
            ),
        )

    def decoded(
        self,
        mean: Floats,
        sigma: Floats,
        scales: NDArray[np.float64] | None,
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the histogram."""
        return (_grid(np.asarray(mean), constants),)

    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the measured histogram; empty time columns are NaN."""
        return (_grid(np.where(arrays["mask"], arrays["x"], np.nan), constants),)


def _edges(constants: Constants) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the edges in d, and in sd of the curve, that a model was trained with."""
    return (
        np.asarray(constants.get("dt_edges", DT_EDGES_D), np.float64),
        np.asarray(constants.get("dm_edges", DM_EDGES), np.float64),
    )


def _grid(cells: NDArray, constants: Constants) -> Grid:
    dt_edges, dm_edges = _edges(constants)
    last_shown = dm_edges[-2] + (dm_edges[1] - dm_edges[0])  # the last cell is open
    return Grid(
        name="dm-dt",
        x_edges=dt_edges,
        y_edges=np.append(dm_edges[:-1], last_shown),
        z=np.asarray(cells, np.float64).reshape(len(dm_edges) - 1, len(dt_edges) - 1).T,
        x_label="time difference",
        x_unit="d",
        y_label="dm" if dm_edges[0] < 0 else "|dm|",
        y_unit="sd",
        z_label="share of pairs",
    )


@njit(cache=True)
def _count_pairs(
    offsets: NDArray[np.int64],
    time: NDArray[np.float64],
    mag: NDArray[np.float64],
    error: NDArray[np.float64],
    good: NDArray[np.bool_],
    bins: int,
    dt_edges: NDArray[np.float64],
    dm_edges: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Return pair counts (M, dm, dt), the sd of each curve (M,) and its points (M,)."""
    sources = len(offsets) - 1
    counts = np.zeros((sources, len(dm_edges) - 1, len(dt_edges) - 1), np.float32)
    spread = np.zeros(sources)
    points = np.zeros(sources, np.int64)
    most = MOST_EPOCHS * (MOST_EPOCHS - 1) // 2
    pairs = np.empty(most), np.empty(most), np.empty(most, np.int64), np.empty(most, np.int64)
    for m in range(sources):
        part = np.flatnonzero(good[offsets[m] : offsets[m + 1]]) + offsets[m]
        keep = part[clean(time[part], mag[part], error[part], bins)]
        n = len(keep)
        points[m] = n
        if n < 2:
            continue
        y = mag[keep]
        spread[m] = np.sqrt(((y - y.mean()) ** 2).sum() / (n - 1))
        if spread[m] > 0:
            _count(counts[m], time[keep], y, spread[m], dt_edges, dm_edges, pairs)
    return counts, spread, points


@njit(cache=True)
def _count(
    counts: NDArray[np.float32],
    t: NDArray[np.float64],
    y: NDArray[np.float64],
    spread: float,
    dt_edges: NDArray[np.float64],
    dm_edges: NDArray[np.float64],
    pairs: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Count the pairs of one curve in time order into cells (dm, dt); `pairs` is room to work.

    One short loop a step over all pairs, which the compiler turns into wide instructions.
    """
    dt, dm, row, column = pairs
    n = _differences(t, y, spread, dm_edges[0] < 0, dt, dm)
    _cells(dt[:n], dt_edges, column)
    _cells(dm[:n], dm_edges, row)
    for p in range(n):
        counts[row[p], column[p]] += 1


@njit(cache=True, error_model="numpy")
def _differences(
    t: NDArray[np.float64],
    y: NDArray[np.float64],
    spread: float,
    signed: bool,
    dt: NDArray[np.float64],
    dm: NDArray[np.float64],
) -> int:
    """Fill in the differences of all pairs, later minus earlier, and return how many there are."""
    done = 0
    for i in range(len(t) - 1):
        later = len(t) - i - 1
        for k in range(later):
            dt[done + k] = t[i + 1 + k] - t[i]
            step = (y[i + 1 + k] - y[i]) / spread
            dm[done + k] = step if signed else abs(step)
        done += later
    return done


@njit(cache=True)
def _cells(
    values: NDArray[np.float64], edges: NDArray[np.float64], cell: NDArray[np.int64]
) -> None:
    """Fill in the cell of each value; what lies beyond the edges is in the first or the last."""
    cell[: len(values)] = 0
    for edge in edges[1:-1]:
        for p in range(len(values)):
            cell[p] += np.int64(values[p] >= edge)
