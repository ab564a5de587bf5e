"""Measure spectra of real stars against their parameters, for the simulated survey.

    python data/make_simulation_stars.py ../shared/data

writes `simulation_stars.npz`: spectral templates of giants and dwarfs with slopes in log g,
[Fe/H] and [alpha/M], the mean extinction curve, and how real spectra scatter about all of it.
Every figure is a mean or covariance over at least 100 stars: no row enters the project.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from latent_core.modalities.xp_operator import load_operator
from latent_core.surveys.simulated.physics import extinction_curve, planck
from latent_core.surveys.simulated.spectra import colours
from latent_core.surveys.simulated.summary import arrays
from latent_core.surveys.simulated.xp_noise import noise_figures

HERE = Path(__file__).parent
# Effective temperatures of the template stars, K: giants (log g < 3.6) and dwarfs
GIANTS = [3150, 3300, 3450, 3600, 3800, 4000, 4250, 4500, 4800, 5150, 5500]
DWARFS = [3200, 3400, 3600, 3850, 4150, 4500, 5000, 5500, 6000, 6500, 7100, 7800, 8600, 9600,
          11000, 13000, 15500, 18500]  # fmt: skip
A0_PER_AK = 8.8  # A(547 nm) / A(Ks), Cardelli et al. 1989
# Intrinsic BP-RP of dwarfs against Teff, rounded from Pecaut & Mamajek 2013 (table of 2022): the
# infrared extinction of APOGEE is worthless for hot stars, their colour excess is not.
HOT_TEFF = [7000, 7500, 8000, 9000, 10000, 12000, 15000, 20000]
HOT_COLOUR = [0.44, 0.33, 0.22, 0.07, -0.02, -0.11, -0.20, -0.31]
A0_PER_EXCESS = 2.0  # A0 / E(BP-RP) of a hot star
FACTORS = 24  # principal axes of the scatter
SOFT = 0.02  # of the median flux: below it a relative difference is noise
DUSTY = 1.0  # A0 above which giants scatter in their own way: extinction laws differ
FEWEST = 100
MAGNITUDE = "gaiaedr3_phot_{}_mean_mag"


def infrared_extinctions(stars: pd.DataFrame) -> np.ndarray:
    """A0 in mag, (N,): from the infrared for cool stars, from the colour excess for hot ones."""
    infrared = np.clip(stars.ak_targ.fillna(0.0).to_numpy(float), 0, 2) * A0_PER_AK
    colour = stars[MAGNITUDE.format("bp")] - stars[MAGNITUDE.format("rp")]
    excess = colour.to_numpy(float) - np.interp(stars.teff, HOT_TEFF, HOT_COLOUR)
    return np.where(stars.teff > HOT_TEFF[0], A0_PER_EXCESS * excess, infrared)


def local_weights(
    stars: pd.DataFrame, rows: np.ndarray, teff: float, widest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows near a temperature, and their weights: a Gaussian that holds `widest` stars."""
    offset = np.abs(np.log(stars.teff.to_numpy(float) / teff))
    width = max(0.03, float(np.sort(offset[rows])[widest]))
    weight = np.exp(-0.5 * (offset / width) ** 2) * rows
    near = np.flatnonzero(weight > 0.02)
    return near, weight[near]


def local_fit(
    bright: np.ndarray, stars: pd.DataFrame, rows: np.ndarray, teff: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean log g, log spectrum and slopes at one temperature."""
    near, weight = local_weights(stars, rows, teff, 150)
    root = np.sqrt(weight)
    logg = float(np.average(stars.logg.to_numpy()[near], weights=weight))
    chemistry = stars[["fe_h", "alpha_m"]].fillna(0.0).to_numpy(float)[near]
    offset = np.log(stars.teff.to_numpy(float)[near] / teff)
    steps = [np.ones(len(near)), offset, stars.logg.to_numpy()[near] - logg]
    design = np.column_stack([*steps, chemistry])
    scaled = design * root[:, None]
    ridge = np.diag([0.0, 0.1, 5.0, 5.0, 5.0])
    fit = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ (bright[near] * root[:, None]))
    return logg, fit[0], fit[2:]


def templates(
    flux: np.ndarray, stars: pd.DataFrame, a0: np.ndarray, curve: np.ndarray
) -> dict[str, np.ndarray]:
    """Local linear fits of the dereddened log spectrum: value and slopes at template stars.

    `T_log_flux` (T, 343) at log g `T_logg`, [Fe/H] = [alpha/M] = 0, and `T_slopes` (T, 3, 343)
    in log g, [Fe/H], [alpha/M]; T is `giant` or `dwarf`.
    """
    bright = np.log(np.maximum(flux, 0.0) + 2e-4 * flux.max(axis=1, keepdims=True))
    bright += a0[:, None] * curve
    bright -= np.log(planck(arrays()["wavelength_nm"], stars.teff.to_numpy(float)))
    bright -= np.median(bright[:, 150:250], axis=1, keepdims=True)
    giant = ((stars.logg < 3.6) & (stars.teff < 5800)).to_numpy()
    out = {}
    for name, grid, rows in (("giant", GIANTS, giant), ("dwarf", DWARFS, ~giant)):
        fits = [local_fit(bright, stars, rows & (a0 < 2.0), t) for t in grid]
        out[f"{name}_teff"] = np.array(grid, float)
        out[f"{name}_logg"] = np.array([fit[0] for fit in fits])
        # float16 would round the continuum by 0.1 %
        out[f"{name}_log_flux"] = np.stack([fit[1] for fit in fits]).astype(np.float32)
        out[f"{name}_slopes"] = np.stack([fit[2] for fit in fits]).astype(np.float32)
    return out


def photospheres(figures: dict[str, np.ndarray], stars: pd.DataFrame) -> np.ndarray:
    """Unreddened spectra (N, 343) as the simulator makes them from these figures."""
    from latent_core.surveys.simulated.templates import photosphere

    columns = [stars[c].fillna(0.0).to_numpy(float) for c in ("teff", "logg", "fe_h", "alpha_m")]
    return photosphere(*columns, figures=figures)


def colour_extinctions(bare: np.ndarray, colour: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """A0 (N,) that brings bare spectra to the observed BP-RP; slightly negative for a few."""
    a0 = np.full(len(bare), 0.5)
    for _ in range(6):
        found = colours(bare * np.exp(-a0[:, None] * curve))[1]
        a0 = np.clip(a0 + (colour - found) / (0.42 - 0.012 * a0), -1.0, 12.0)
    return a0


def scatter(
    flux: np.ndarray, model: np.ndarray, stars: pd.DataFrame, a0: np.ndarray, errors: np.ndarray
) -> dict[str, np.ndarray]:
    """How spectra of median 1 differ from the model, over model + SOFT.

    `T_axes` (K, 343), `T_scatter_mean` (2, T, K) and `T_scatter_root` (2, T, K, K) at A0 below
    and above DUSTY; where too few dusty stars are, both are the same.
    """
    unit = [f / np.median(f, axis=1, keepdims=True) for f in (flux, model)]
    left = (unit[0] - unit[1]) / (unit[1] + SOFT)
    sound = np.sqrt((left[:, 30:] ** 2).mean(axis=1)) < 0.25
    sound &= (stars[MAGNITUDE.format("g")] < 13.5).to_numpy() | (stars.teff < 3600).to_numpy()
    giant = ((stars.logg < 3.6) & (stars.teff < 5800)).to_numpy()
    out = {}
    for name, grid, rows in (("giant", GIANTS, giant & sound), ("dwarf", DWARFS, ~giant & sound)):
        some = left[rows & (a0 < 3.0)]
        axes = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)[2][:FACTORS]
        scores = left @ axes.T
        means, roots = [], []
        noisy = Noisy(scores, unit[1], errors / np.median(flux, axis=1, keepdims=True), axes)
        for dusty in (False, True):
            own = rows & ((a0 >= DUSTY) & (a0 < 4.0) if dusty else (a0 < DUSTY))
            fits = [_scores_at(noisy, stars, own if _enough(stars, own, t) else rows, t)
                    for t in grid]  # fmt: skip
            means.append([fit[0] for fit in fits])
            roots.append([fit[1] for fit in fits])
        out[f"{name}_axes"] = axes.astype(np.float32)
        out[f"{name}_scatter_mean"] = np.array(means, np.float32)
        out[f"{name}_scatter_root"] = np.array(roots, np.float32)
    return out


def _enough(stars: pd.DataFrame, rows: np.ndarray, teff: float) -> bool:
    near = np.abs(np.log(stars.teff.to_numpy(float) / teff)) < 0.05
    return int((near & rows).sum()) >= FEWEST


@dataclass(frozen=True)
class Noisy:
    """Scores (N, K) of stars, and what their noise adds: `model` (N, W), `errors` (N, 110)."""

    scores: np.ndarray
    model: np.ndarray
    errors: np.ndarray
    axes: np.ndarray

    def noise(self, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Mean covariance (K, K) of the scores' noise over rows."""
        typical = np.average(self.model[rows], axis=0, weights=weight)
        matrix = (self.axes / (typical + SOFT)) @ load_operator().calibrate
        size = self.errors[rows]
        both = (size * weight[:, None]).T @ size / weight.sum()
        return matrix @ (block_diag(*noise_figures()["noise_correlation"]) * both) @ matrix.T


def _scores_at(
    noisy: Noisy, stars: pd.DataFrame, rows: np.ndarray, teff: float
) -> tuple[np.ndarray, np.ndarray]:
    near, weight = local_weights(stars, rows, teff, FEWEST)
    for _ in range(4):  # a few per cent are blends and binaries
        some = noisy.scores[near]
        mean = np.average(some, axis=0, weights=weight)
        spread = np.cov(some.T, aweights=weight) + 1e-10 * np.eye(FACTORS)
        away = np.einsum("ni,ij,nj->n", some - mean, np.linalg.inv(spread), some - mean)
        keep = away < 2.0 * FACTORS
        near, weight = near[keep], weight[keep]
    size, turned = np.linalg.eigh(spread - noisy.noise(near, weight))
    return mean, turned * np.sqrt(np.maximum(size, 0.0))


def main(shared: Path) -> None:
    """Measure everything and write the file beside this script."""
    stars = pd.read_parquet(shared / "xp_apogee_coeffs.parquet")
    columns = [np.vstack(list(stars[f"{b}_coefficients"])) for b in ("bp", "rp")]
    flux = np.hstack(columns) @ load_operator().calibrate.T
    usable = (np.median(flux, axis=1) > 0) & stars[MAGNITUDE.format("bp")].notna().to_numpy()
    colour = colours(np.maximum(flux, 1e-6 * flux.max(axis=1, keepdims=True)))[1]
    usable &= np.isfinite(colour)
    stars, flux, colour = stars[usable].reset_index(drop=True), flux[usable], colour[usable]
    errors = np.hstack([np.vstack(list(stars[f"{b}_coefficient_errors"])) for b in ("bp", "rp")])
    curve = 0.4 * np.log(10) * extinction_curve(arrays()["wavelength_nm"])
    a0 = infrared_extinctions(stars)
    figures = templates(flux, stars, a0, curve)
    for turn in range(3):
        bare = photospheres(figures, stars)
        a0 = colour_extinctions(bare, colour, curve)
        model = bare * np.exp(-a0[:, None] * curve)
        level = [np.median(f[:, 150:250], axis=1, keepdims=True) for f in (flux, model)]
        ratio = np.log(
            np.clip(flux / level[0], 1e-3, None) / np.clip(model / level[1], 1e-3, None)
        )
        cool = ((stars.teff < 5300) & (stars.teff > 4300) & (stars.logg < 3.6)).to_numpy()
        slope = np.array([np.median(ratio[cool & (np.abs(a0 - c) < 0.3)], axis=0)
                          for c in (0.4, 1.9)])  # fmt: skip
        # below 400 nm reddened giants are noise: the formula holds there
        trust = np.clip((arrays()["wavelength_nm"] - 390.0) / 30.0, 0.0, 1.0)
        curve = curve - trust * (slope[1] - slope[0]) / 1.5
        figures = templates(flux, stars, a0, curve)
        print(turn, np.abs(slope[1] - slope[0]).max(), np.sqrt(np.median(ratio**2)))
    bare = photospheres(figures, stars)
    a0 = colour_extinctions(bare, colour, curve)
    model = bare * np.exp(-a0[:, None] * curve)
    figures |= scatter(flux, model, stars, a0, errors) | {"extinction": curve}
    np.savez_compressed(HERE / "simulation_stars.npz", **figures)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
