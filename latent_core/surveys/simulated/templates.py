"""Spectra of ordinary stars: measured templates, their slopes, and the scatter of real stars.

The templates are local linear fits to dereddened spectra of 34,671 real stars with APOGEE
parameters, 3,150 to 18,500 K (`data/make_simulation_stars.py`); black bodies carry them beyond.
Real stars of equal parameters and colour differ too: so do ours, by the measured covariance.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from latent_core.modalities.xp_operator import shipped
from latent_core.surveys.simulated.physics import planck
from latent_core.surveys.simulated.summary import arrays

Floats = NDArray[np.float64]
_WARMEST_GIANT_K = 5500.0
_GIANT_LOGG = 3.6
_SOFT = 0.02  # of the median flux, as the scatter was measured
_DUSTY = 1.0  # A0 above which it was measured apart
_WIDEST = 3.5  # sigma


@lru_cache
def star_figures() -> Mapping[str, Floats]:
    """Return the measured figures of `simulation_stars.npz`."""
    with np.load(shipped("simulation_stars.npz"), allow_pickle=False) as file:
        return {name: np.asarray(file[name], float) for name in file.files}


def _branches(teff: Floats, logg: Floats) -> tuple[tuple[str, NDArray[np.int64]], ...]:
    giant = (logg < _GIANT_LOGG) & (teff < _WARMEST_GIANT_K)
    return ("giant", np.flatnonzero(giant)), ("dwarf", np.flatnonzero(~giant))


def photosphere(
    teff: Floats,
    logg: Floats,
    fe_h: Floats,
    alpha_m: Floats,
    figures: Mapping[str, Floats] | None = None,
) -> Floats:
    """Interpolate the templates in Teff and shift them by their slopes, (N, W)."""
    table = star_figures() if figures is None else figures
    offsets = np.column_stack([logg, np.clip(fe_h, -2.0, 0.5), np.clip(alpha_m, -0.1, 0.4)])
    log_ratio = np.empty((len(teff), len(arrays()["wavelength_nm"])))
    for branch, rows in _branches(teff, logg):
        if len(rows):
            log_ratio[rows] = _template(table, branch, teff[rows], offsets[rows])
    return np.asarray(np.exp(log_ratio) * planck(arrays()["wavelength_nm"], teff))


def _template(table: Mapping[str, Floats], branch: str, teff: Floats, offsets: Floats) -> Floats:
    place, part = _between(table[f"{branch}_teff"], teff)
    out = 0.0
    for node, share in ((place, 1.0 - part), (place + 1, part)):
        shift = offsets.copy()
        shift[:, 0] = np.clip(offsets[:, 0] - table[f"{branch}_logg"][node], -0.8, 0.8)
        slopes = table[f"{branch}_slopes"][node]
        fit = table[f"{branch}_log_flux"][node] + np.einsum("nk,nkw->nw", shift, slopes)
        out = out + share[:, None] * fit
    return np.asarray(out)


def _between(nodes: Floats, teff: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the node below each temperature and the way to the next, by its logarithm."""
    grid = np.log(nodes)
    # TiO bands keep deepening below the coolest template, by at most one step of the grid
    place = np.searchsorted(grid, np.log(teff)).clip(1, len(grid) - 1) - 1
    part = (np.log(teff) - grid[place]) / (grid[place + 1] - grid[place])
    return place, part.clip(-1.0, 1.0)


def scattered(
    flux: Floats, teff: Floats, logg: Floats, a0: Floats, rng: np.random.Generator
) -> Floats:
    """Let reddened spectra (N, W) of median 1 differ as real ones of equal parameters do.

    The scatter keeps BP-RP to first order: it was measured at equal colour.
    """
    table, out = star_figures(), flux.copy()
    normal = np.clip(rng.standard_normal((len(flux), len(table["giant_axes"]))), -_WIDEST, _WIDEST)
    for branch, rows in _branches(teff, logg):
        place, part = _between(table[f"{branch}_teff"], teff[rows])
        # a source takes the nearer of its two nodes more often
        node = place + (rng.random(len(rows)) < part)
        dusty = (a0[rows] >= _DUSTY).astype(int)
        root = table[f"{branch}_scatter_root"][dusty, node]
        score = table[f"{branch}_scatter_mean"][dusty, node]
        score = score + np.einsum("nij,nj->ni", root, normal[rows])
        change = score @ table[f"{branch}_axes"]
        out[rows] = np.maximum(flux[rows] + (flux[rows] + _SOFT) * change, 1e-4)
    return out
