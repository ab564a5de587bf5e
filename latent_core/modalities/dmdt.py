"""Histograms of magnitude differences against time differences (Huijse et al. 2025, release)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.modalities import Constants, Curve, Floats, Grid, Modality, Observations
from latent_core.modalities.light_curves import (
    FEWEST_POINTS,
    clean,
    error_bins,
    too_few_or_flat,
)
from latent_core.products import G_BAND, EpochPhotometry, Product

DT_EDGES_D = np.array([0.04, 0.125, 0.3333, 2.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2500.0])
DM_EDGES = np.append(np.linspace(0, 3, 20), np.inf)
N_DT, N_DM = len(DT_EDGES_D) - 1, len(DM_EDGES) - 1
LAST_DM_SHOWN = DM_EDGES[-2] + DM_EDGES[1]


class DmdtModality(Modality):
    """P(|dm| given dt) of all pairs of points, |dm| in units of the curve's own sd, dm-major.

    Each time column is divided by its number of pairs; an empty column is masked. The `error` of
    a cell is 1 / sqrt(pairs of its column) (huijse-2025.md, 4.4).
    """

    name = "dmdt"
    title = "dm-dt histogram"
    product = EpochPhotometry.name
    scale_names = ("mag_std",)

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Clean and count pairs; a curve of under 5 points or of no spread is refused."""
        assert isinstance(product, EpochPhotometry)  # noqa: S101 - the registry pairs them
        rows = np.asarray(product.rows, np.int64)
        counts, spread, points = _count_pairs(
            np.asarray(product.offsets),
            np.asarray(product.time, np.float64),
            np.asarray(product.mag, np.float32).astype(np.float64),
            np.asarray(product.mag_error, np.float64),
            np.asarray((product.band == G_BAND) & ~product.rejected),
            error_bins(constants),
        )
        usable = (points >= FEWEST_POINTS) & (spread > 0)
        counts = counts[usable]
        pairs = counts.sum(axis=1, keepdims=True)
        x = counts / np.maximum(pairs, 1)
        error = np.broadcast_to(1 / np.sqrt(np.maximum(pairs, 1)), x.shape)
        mask = np.broadcast_to(pairs > 0, x.shape)
        size = N_DM * N_DT
        return Observations(
            rows=rows[usable],
            arrays={
                "x": x.reshape(-1, size).astype(np.float32),
                "error": error.reshape(-1, size).astype(np.float32),
                "mask": mask.reshape(-1, size).copy(),
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
        return (_grid(np.asarray(mean)),)

    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the measured histogram; empty time columns are NaN."""
        return (_grid(np.where(arrays["mask"], arrays["x"], np.nan)),)


def _grid(cells: NDArray) -> Grid:
    return Grid(
        name="dm-dt",
        x_edges=DT_EDGES_D,
        y_edges=np.append(DM_EDGES[:-1], LAST_DM_SHOWN),
        z=np.asarray(cells, np.float64).reshape(N_DM, N_DT).T,
        x_label="time difference",
        x_unit="d",
        y_label="|dm|",
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
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Return pair counts (M, dm, dt), the sd of each curve (M,) and its points (M,)."""
    sources = len(offsets) - 1
    counts = np.zeros((sources, N_DM, N_DT), np.float32)
    spread = np.zeros(sources)
    points = np.zeros(sources, np.int64)
    for m in range(sources):
        part = np.flatnonzero(good[offsets[m] : offsets[m + 1]]) + offsets[m]
        keep = part[clean(time[part], mag[part], error[part], bins)]
        n = len(keep)
        points[m] = n
        if n < 2:
            continue
        t, y = time[keep], mag[keep]
        spread[m] = np.sqrt(((y - y.mean()) ** 2).sum() / (n - 1))
        if spread[m] == 0:
            continue
        for i in range(n):
            for j in range(i + 1, n):
                dt = np.searchsorted(DT_EDGES_D, t[j] - t[i], side="right") - 1
                dm = np.searchsorted(DM_EDGES, abs(y[j] - y[i]) / spread[m], side="right") - 1
                counts[m, min(dm, N_DM - 1), min(max(dt, 0), N_DT - 1)] += 1
    return counts, spread, points
