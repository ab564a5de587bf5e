"""Can a classifier tell simulated XP spectra from real ones? Needs ../shared/data.

    python benchmarks/bench_xp_realism.py [BLOCKS of 1,000 simulated sources]

Every AUC is of gradient boosting, out of fold, on pairs of one G (within 0.25 mag) and BP-RP
(within 0.05 mag); 0.5 is guessing, which real stars against other real stars give. Columns are
coefficients over the G flux, or coefficients over errors, or log errors over the G flux.

`same stars`: real spectra with APOGEE labels against simulated ones of those labels and colours,
both seen at the magnitudes of the real field. `survey`: rows as `simulate` makes them, beside
those real spectra at the survey's magnitudes and amplitudes, in pairs of one Teff and log g.
`archive`: the same rows beside real archive rows of other kinds of source, so that population
differs as well.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import Figure, only_full, report, skip

from latent_core.comparison.pairs import pairs_of
from latent_core.comparison.telling_apart import auc, paired_auc
from latent_core.modalities.xp_operator import load_operator
from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.population import Stars, draw_stars
from latent_core.surveys.simulated.spectra import Light, colours, observe, shine, twins, warmed
from latent_core.surveys.simulated.xp_noise import band_magnitudes, draw_errors

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
AIM = 0.7
REACH = (0.25, 0.05)  # mag of G and of BP-RP
REACH_STAR = (*REACH, 0.03, 0.3)  # and of ln Teff, and log g
FIELD = "xp_spectral_lines"  # provenance of 1,682 field stars with archive errors
QUIET = 1e-4  # mag: a star that does not vary
MATRIX = load_operator().calibrate


@dataclass
class Seen:
    """Coefficients (N, 110), their errors, and what pairs are matched in, (N, K)."""

    values: np.ndarray
    errors: np.ndarray
    place: np.ndarray

    def columns(self, what: str) -> np.ndarray:
        g_flux = np.maximum(self.values @ load_operator().g_flux, 1e-6)[:, None]
        table = {
            "coefficients": self.values / g_flux,
            "over errors": self.values / self.errors,
            "log errors": np.log10(self.errors / g_flux),
        }
        return table[what]

    def take(self, rows: np.ndarray) -> Seen:
        return Seen(self.values[rows], self.errors[rows], self.place[rows])


def seen(values: np.ndarray, errors: np.ndarray, *more: np.ndarray) -> Seen:
    """Measure magnitude and colour of coefficients the same way for all."""
    flux = values @ MATRIX.T
    g, bp, rp = band_magnitudes(np.maximum(flux, 1e-6 * flux.max(axis=1, keepdims=True))).T
    return Seen(values, np.asarray(errors, float), np.column_stack([g, bp - rp, *more]))


def stack(rows: pd.DataFrame, what: str) -> np.ndarray:
    return np.hstack([np.vstack(list(rows[f"{band}_{what}"])) for band in ("bp", "rp")]).astype(
        float
    )


def archive() -> tuple[Seen, np.ndarray]:
    rows = pd.read_parquet(SHARED / "xp_continuous_real.parquet")
    rows = rows[rows.has_bp & rows.has_rp & rows.has_errors]
    field = rows.provenance.str.contains(FIELD).to_numpy()
    return seen(stack(rows, "coefficients"), stack(rows, "coefficient_errors")), field


def survey(blocks: int) -> tuple[Seen, np.ndarray, np.ndarray]:
    """Return simulated rows as `simulate` makes them, which are ordinary stars, amplitudes."""
    parts, ordinary, amplitudes = [], [], []
    for block in range(blocks):
        rng = np.random.default_rng([99, block])
        stars = warmed(draw_stars(1000, rng))
        light = shine(stars, rng)
        values, errors = observe(light, stars.g, rng)
        amplitudes.append(light.amplitude)
        parts.append(seen(values, errors, np.log(stars.teff), stars.logg))
        ordinary.append(np.array([kind.spectrum == "star" for kind in KINDS])[stars.kind])
    joined = (np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0]))
    return Seen(*joined), np.concatenate(ordinary), np.concatenate(amplitudes)


def real_stars() -> tuple[pd.DataFrame, np.ndarray]:
    """Labels and fluxes (N, 343) of real stars with APOGEE's."""
    stars = pd.read_parquet(SHARED / "xp_apogee_coeffs.parquet")
    # fainter BP is noise at the blue end, and would be observed a second time here
    good = stars.fe_h.notna() & stars.alpha_m.notna()
    stars = stars[good & (stars.gaiaedr3_phot_bp_mean_mag < 16.5)].reset_index(drop=True)
    flux = stack(stars, "coefficients") @ MATRIX.T
    return stars, flux / np.median(flux, axis=1, keepdims=True)


def look(
    flux: np.ndarray,
    g: np.ndarray,
    stars: pd.DataFrame,
    rng: np.random.Generator,
    amplitude: np.ndarray | None = None,
) -> Seen:
    """See spectra at magnitudes `g` (N,) by the simulated spectrograph; quiet unless told."""
    flux = np.maximum(flux, 1e-4)
    flux = flux / np.median(flux, axis=1, keepdims=True)
    none = np.zeros(len(flux))
    amplitude = none + QUIET if amplitude is None else amplitude
    light = Light(flux, none, none, none, amplitude, np.ones(len(flux), bool))
    return seen(*observe(light, g, rng), np.log(stars.teff.to_numpy()), stars.logg.to_numpy())


def with_labels(stars: pd.DataFrame, flux: np.ndarray) -> Stars:
    """Return real stars' labels and colours as the simulator takes them."""
    empty = np.full(len(stars), np.nan)
    known = {name: stars[name].to_numpy(float) for name in ("teff", "logg", "fe_h", "alpha_m")}
    known["colour"] = colours(np.maximum(flux, 1e-6))[1]
    rest = {f.name: empty for f in fields(Stars) if f.name not in known}
    return Stars(**{**rest, **known})


def compare(
    name: str, real: Seen, ours: Seen, reach: tuple[float, ...], *what: str
) -> list[Figure]:
    """AUC of matched pairs, in each set of columns."""
    size = len(reach)
    pairs = pairs_of(real.place[:, :size] / reach, ours.place[:, :size] / reach)
    out = []
    for kind in what:
        a, b = real.take(pairs.first).columns(kind), ours.take(pairs.other).columns(kind)
        found = paired_auc(a, b)
        if found is None:
            print(f"{name}, {kind}: {len(pairs)} pairs are too few", flush=True)
            continue
        each = np.array([auc(x, y) for x, y in zip(a.T, b.T, strict=True)])
        alone = np.maximum(each, 1.0 - each)
        worst = ", ".join(f"{i}: {alone[i]:.2f}" for i in np.argsort(-alone)[:6])
        print(f"{name}, {kind}: {len(pairs)} pairs, {found}; columns alone {worst}", flush=True)
        out.append(Figure(f"{name}, {kind}", found.value, "", limit=AIM))
    return out


def main(blocks: int) -> None:
    only_full("xp_realism", 5)
    if not SHARED.is_dir():
        skip(
            "xp_realism", f"{SHARED} is absent: these figures need the real spectra that lie there"
        )
    rng = np.random.default_rng(1)
    real, field = archive()
    own = real.take(np.flatnonzero(field))
    sky = own.place[:, 0]
    stars, flux = real_stars()
    some = rng.permutation(len(stars))[:6000]
    stars, flux = stars.iloc[some].reset_index(drop=True), flux[some]
    g = rng.choice(sky[sky > 13.0], len(stars))
    alike = twins(with_labels(stars, flux), rng)
    first, second = np.arange(0, len(stars), 2), np.arange(1, len(stars), 2)
    truth, made = look(flux, g, stars, rng), look(alike, g, stars, rng)
    both = "coefficients", "over errors"
    figures = compare("real halves", truth.take(first), truth.take(second), REACH, *both)
    figures += compare("same stars", truth.take(first), made.take(second), REACH, *both)
    quiet = draw_errors(band_magnitudes(own.values @ MATRIX.T), rng)
    figures += compare("real field magnitudes", own, Seen(own.values, quiet, own.place), REACH,
                       "log errors")  # fmt: skip
    rows, ordinary, amplitude = survey(blocks)
    ours = rows.take(np.flatnonzero(ordinary))
    like = rng.choice(np.flatnonzero(ordinary), len(stars))
    at = look(flux, rows.place[like, 0], stars, rng, amplitude[like])
    figures += compare("survey, ordinary stars", at, ours, REACH_STAR, *both)
    all_columns = (*both, "log errors")
    figures += compare("archive field, ordinary stars", own, ours, REACH, *all_columns)
    figures += compare("archive, all kinds", real, rows, REACH, *all_columns)
    report("xp_realism", figures)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
