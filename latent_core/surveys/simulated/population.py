"""Who is in the survey: classes, periods, amplitudes, magnitudes, stellar parameters.

Periods, amplitudes and magnitudes keep the marginals and rank correlations measured on real
sources of the class (a Gaussian copula over quantile tables); RR Lyrae, Cepheids, delta Scuti
and long-period variables draw all of them, and the shape of the curve, from one joint mixture.
[Fe/H] and [alpha/M] come from the measured mixture of the two discs and the halo; [Fe/H] of RR
Lyrae, and Teff, mass and log g of them and of Cepheids, follow from the light curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.surveys.simulated.classes import KINDS, Kind
from latent_core.surveys.simulated.pulsators import pulsator
from latent_core.surveys.simulated.sky import COSMIC, HALO, THICK, THIN
from latent_core.surveys.simulated.summary import (
    draw_mixture,
    figures,
    from_quantiles,
    reflect,
    to_scores,
)

Floats = NDArray[np.float64]
_SHAPE_NUMBERS = 7
_COLUMNS = ["log_period", "log_amplitude", "g", "log_ratio"]
_FIELDS = {"bp_rp": "colour"}
SHAPE_COLUMNS = ("log_period", "r21", "r31", "phi21", "phi31")  # of pulsators; eclipses have 7


@dataclass(frozen=True)
class Stars:
    """N sources before anyone looked at them, one array a property, (N,) unless said.

    `log_period` in d (of `period_d`, or of the best frequency where there is no period),
    `log_amplitude` in mag, `g` and `colour` (BP-RP; NaN where no table of the class has one) in
    mag, `a0` the extinction at 547 nm that holds where `colour` is NaN, `shape` (N, 7) the
    measured numbers of the light curve's shape, or NaN; `log_std` the scatter of the light curve
    in mag, noise included, NaN where its shape and amplitude set it.
    """

    kind: NDArray[np.int64]
    log_period: Floats
    log_amplitude: Floats
    g: Floats
    colour: Floats
    teff: Floats
    logg: Floats
    fe_h: Floats
    alpha_m: Floats
    mass: Floats
    a0: Floats
    part: NDArray[np.int64]
    redshift: Floats
    shape: Floats
    log_std: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: NDArray[np.int64]) -> Stars:
        """Return some rows."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_stars(n: int, rng: np.random.Generator) -> Stars:
    """Draw N sources of all kinds, mixed by their weights."""
    weights = np.array([kind.weight for kind in KINDS])
    kind = rng.choice(len(KINDS), n, p=weights / weights.sum())
    drawn: dict[str, NDArray[Any]] = {
        field.name: np.full(n, np.nan) for field in fields(Stars) if field.name != "kind"
    }
    drawn["part"] = np.zeros(n, np.int64)
    drawn["shape"] = np.full((n, _SHAPE_NUMBERS), np.nan)
    for number, recipe in enumerate(KINDS):
        rows = np.flatnonzero(kind == number)
        if len(rows):
            for name, values in _draw_kind(recipe, len(rows), rng).items():
                drawn[name][rows] = values
    return Stars(kind=kind, **drawn)


def _draw_kind(recipe: Kind, n: int, rng: np.random.Generator) -> dict[str, Any]:
    table = recipe.table(figures())
    drawn: dict[str, Any] = {
        "shape": np.full((n, _SHAPE_NUMBERS), np.nan),
        "mass": np.full(n, recipe.mass),
        "a0": recipe.a0 * np.exp(0.6 * rng.standard_normal(n)),
    }
    drawn |= _draw_light(recipe, table, n, rng)
    if "log_ratio" in drawn:
        drawn["log_std"] = drawn["log_amplitude"] - drawn.pop("log_ratio")
    drawn |= _draw_star(recipe, n, rng)
    own = pulsator(recipe.name, drawn["shape"], rng)
    if "part" in own:
        own["alpha_m"] = _metallicity(own["part"], rng)[1]
    return drawn | own


def _draw_light(
    recipe: Kind, table: Mapping[str, Any], n: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Period, amplitude, magnitude, colour, shape: jointly where one table has them all."""
    if "joint" in table:
        return _draw_jointly(table["joint"], n, rng)
    names = [*table.get("columns", _COLUMNS), *(["bp_rp"] if "g_bp_rp" in table else [])]
    scores = rng.standard_normal((n, len(names)))
    drawn: dict[str, Any] = {}
    if recipe.shape == "eclipse":
        drawn["shape"] = draw_mixture(figures()["eclipses"], n, rng)
        scores[:, 0] = to_scores(table["log_period"], drawn["shape"][:, 0])
    scores = scores @ _copula(recipe.name).T
    for column, name in enumerate(names):
        if name in table:
            drawn[_FIELDS.get(name, name)] = from_quantiles(table[name], scores[:, column])
    if "shape" in drawn:
        drawn["log_period"] = drawn["shape"][:, 0]
    return drawn


def _draw_jointly(table: Mapping[str, Any], n: int, rng: np.random.Generator) -> dict[str, Any]:
    values = draw_mixture(table, n, rng)
    drawn: dict[str, Any] = {"shape": np.full((n, _SHAPE_NUMBERS), np.nan)}
    for column, name in enumerate(table["columns"]):
        own = reflect(values[:, column], table["low"][column], table["high"][column])
        if name in SHAPE_COLUMNS:
            drawn["shape"][:, SHAPE_COLUMNS.index(name)] = own
        if name not in SHAPE_COLUMNS[1:]:
            drawn[_FIELDS.get(name, name)] = own
    return drawn


@lru_cache
def _copula(name: str) -> Floats:
    """Lower factor (K, K) of the rank correlation of a kind's columns, the colour last.

    Where colour was measured with G alone, it is independent of the rest given G, and the matrix
    stays positive definite.
    """
    recipe = next(kind for kind in KINDS if kind.name == name)
    table = recipe.table(figures())
    names = table.get("columns", _COLUMNS)
    full = np.eye(len(names) + ("g_bp_rp" in table))
    k = len(names)
    full[:k, :k] = table.get("correlation", np.eye(k))
    if "g_bp_rp" in table:
        full[k, :k] = full[:k, k] = full[:k, names.index("g")] * table["g_bp_rp"]
    return np.asarray(np.linalg.cholesky(full + 1e-6 * np.eye(len(full))))


def _draw_star(recipe: Kind, n: int, rng: np.random.Generator) -> dict[str, Any]:
    if not recipe.parts:
        redshift = 0.08 * rng.gamma(2.0, size=n)
        if recipe.spectrum == "agn":
            redshift = np.clip(1.5 * rng.gamma(2.6, 1 / 2.6, n), 0.05, 4.5)
        return {"part": np.full(n, COSMIC), "redshift": redshift}
    part = rng.choice([THIN, THICK, HALO], n, p=np.array(recipe.parts) / sum(recipe.parts))
    iron, alpha = _metallicity(part, rng)
    low, high = np.log(recipe.teff)
    # 5 % and 95 % of a normal are 1.645 sigma from its middle
    teff = np.exp(0.5 * (low + high) + (high - low) / 3.29 * rng.standard_normal(n))
    teff = reflect(teff, 0.93 * recipe.teff[0], 1.07 * recipe.teff[1])
    logg = recipe.logg[0] + recipe.logg[1] * rng.standard_normal(n)
    return {"part": part, "fe_h": iron, "alpha_m": alpha, "teff": teff, "logg": logg}


def _metallicity(part: NDArray[np.int64], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw [Fe/H] and [alpha/M] of thin disc (low alpha), thick disc (high alpha) and halo."""
    iron, alpha = np.empty(len(part)), np.empty(len(part))
    table = figures()["metallicities"]
    means = np.array(table["means"])
    halo, high = means[:, 0] < -1.0, means[:, 1] > 0.15
    for which, members in ((THIN, ~high & ~halo), (THICK, high & ~halo), (HALO, halo)):
        rows = np.flatnonzero(part == which)
        keep = np.flatnonzero(members)
        own = {key: [table[key][i] for i in keep] for key in ("weights", "means", "covariances")}
        iron[rows], alpha[rows] = draw_mixture(own, len(rows), rng).T
    return reflect(iron, -2.5, 0.5), reflect(alpha, -0.15, 0.45)
