"""What the spectrograph sees: XP coefficients of each source, their errors, and its colours.

Stars follow real ones of their parameters between 3,150 and 18,500 K, scatter included
(`templates`); black bodies carry them beyond. Active nuclei, supernovae, white dwarfs, carbon and
emission-line stars are analytic: templates, not measured populations. Every spectrum is reddened
by the measured curve, turned into 110 coefficients by GaiaXPy's operator and the covariance of
real ones, scaled to its G magnitude, and gets errors and correlated noise as real rows of that
magnitude and colour have them (`xp_noise`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from latent_core.modalities.xp_operator import load_operator
from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.physics import planck
from latent_core.surveys.simulated.population import Stars
from latent_core.surveys.simulated.summary import arrays
from latent_core.surveys.simulated.templates import photosphere, scattered, star_figures
from latent_core.surveys.simulated.xp_noise import (
    band_magnitudes,
    draw_errors,
    following,
    inflation,
    noise_factor,
)

Floats = NDArray[np.float64]
_LSF_NM = 5.0  # line width that the spectrograph makes of any narrow line, sigma
_BALMER = (656.3, 486.1, 434.0, 410.2)
_QUASAR_LINES = (
    (121.6, 9.0),
    (154.9, 4.0),
    (190.9, 2.5),
    (279.8, 4.0),
    (486.1, 6.0),
    (656.3, 28.0),
)
# centre and sigma in nm, depth: C2 Swan bands, then CN
_CARBON_BANDS = (
    (436.0, 10.0, 1.2), (472.0, 8.0, 1.2), (513.0, 10.0, 1.5), (559.0, 10.0, 1.0),
    (605.0, 9.0, 0.7), (695.0, 8.0, 0.5), (790.0, 12.0, 0.6), (920.0, 15.0, 0.7),
)  # fmt: skip
_PHOTOSPHERES = ("star", "cool", "yso", "be")  # kinds that scatter as real stars do
_LARGEST_A0 = 12.0


@dataclass(frozen=True)
class Light:
    """Noise-free light of N sources: `flux` (N, W), median 1, reddened; colours in mag.

    `amplitude` (N,) in mag is how much a source varies, which its XP errors feel; `ordinary`
    (N,) tells the photospheres of stars from all else.
    """

    flux: Floats
    bp_rp: Floats
    a0: Floats
    a_g: Floats
    amplitude: Floats
    ordinary: NDArray[np.bool_]


@lru_cache
def _bare_colours(branch: str) -> tuple[Floats, Floats]:
    """Return intrinsic BP-RP, falling, and Teff, rising, of unreddened solar stars, (40,) each."""
    teff = np.exp(np.linspace(np.log(2500.0), np.log(9000.0), 40))
    logg = np.interp(teff, star_figures()[f"{branch}_teff"], star_figures()[f"{branch}_logg"])
    zero = np.zeros_like(teff)
    colour = colours(photosphere(teff, logg, zero, zero))[1]
    return np.minimum.accumulate(colour), teff


def warmed(stars: Stars) -> Stars:
    """Raise Teff of stars that would be redder than their class's colour without any dust."""
    dwarf, giant = _bare_colours("dwarf"), _bare_colours("giant")
    least = np.where(
        stars.logg < 2.5,
        np.interp(-stars.colour, -giant[0], giant[1]),
        np.interp(-stars.colour, -dwarf[0], dwarf[1]),
    )
    kinds = np.array([kind.spectrum for kind in KINDS])[stars.kind]
    ordinary = np.isfinite(stars.colour) & np.isin(kinds, ("star", "cool"))
    return replace(stars, teff=np.where(ordinary, np.fmax(stars.teff, least), stars.teff))


def shine(stars: Stars, rng: np.random.Generator) -> Light:
    """Return reddened spectra; where a colour is set, extinction brings the star to it."""
    bare = intrinsic(stars, rng)
    curve = star_figures()["extinction"]
    a0 = np.clip(np.where(np.isfinite(stars.colour), 0.5, stars.a0), 0.0, _LARGEST_A0)
    a0 = _reddening(bare, curve, stars.colour, a0)
    flux = bare * np.exp(-a0[:, None] * curve)
    a_g = colours(flux)[0] - colours(bare)[0]
    flux /= np.median(flux, axis=1, keepdims=True)
    kinds = np.array([kind.spectrum for kind in KINDS])[stars.kind]
    own = np.flatnonzero(np.isin(kinds, _PHOTOSPHERES))
    flux[own] = scattered(flux[own], stars.teff[own], stars.logg[own], a0[own], rng)
    flux /= np.median(flux, axis=1, keepdims=True)
    return Light(
        flux=flux,
        bp_rp=colours(flux)[1],
        a0=a0,
        a_g=a_g,
        amplitude=10.0**stars.log_amplitude,
        ordinary=kinds == "star",
    )


def colours(flux: Floats) -> tuple[Floats, Floats]:
    """Return G and BP-RP in mag (Vega) of spectra in W m-2 nm-1, (N,) each."""
    g, bp, rp = -2.5 * np.log10(flux @ arrays()["passbands"].T).T
    return g, bp - rp


def intrinsic(stars: Stars, rng: np.random.Generator) -> Floats:
    """Unreddened spectra, (N, W), arbitrary scale."""
    flux = np.ones((len(stars), len(arrays()["wavelength_nm"])))
    kinds = np.array([kind.spectrum for kind in KINDS])[stars.kind]
    for name, paint in _PAINTERS.items():
        rows = np.flatnonzero(kinds == name)
        if len(rows):
            flux[rows] = paint(stars.take(rows), rng)
    return flux


def star(stars: Stars, _: np.random.Generator) -> Floats:
    """Spectra of ordinary stars from the measured templates."""
    return photosphere(stars.teff, stars.logg, stars.fe_h, stars.alpha_m)


def twins(stars: Stars, rng: np.random.Generator) -> Floats:
    """Reddened spectra (N, W), median 1, of stars of given parameters and BP-RP, all ordinary.

    Beside real stars of those parameters they show how like real ones ours are.
    """
    curve = star_figures()["extinction"]
    bare = photosphere(stars.teff, stars.logg, stars.fe_h, stars.alpha_m)
    # the intrinsic colour of a real star may be bluer than the template's
    a0 = _reddening(bare, curve, stars.colour, np.full(len(stars), 0.5), least=-1.0)
    flux = bare * np.exp(-a0[:, None] * curve)
    flux /= np.median(flux, axis=1, keepdims=True)
    return scattered(flux, stars.teff, stars.logg, a0, rng)


def _reddening(
    bare: Floats, curve: Floats, wanted: Floats, start: Floats, least: float = 0.0
) -> Floats:
    """A0 (N,) that brings bare spectra to a colour; `start` where none is wanted (NaN)."""
    a0 = start
    for _ in range(4):
        colour = colours(bare * np.exp(-a0[:, None] * curve))[1]
        slope = 0.42 - 0.012 * a0  # d(BP-RP)/dA0 of cool stars is flatter; four steps settle it
        step = np.where(np.isfinite(wanted), (wanted - colour) / slope, 0.0)
        a0 = np.clip(a0 + step, least, _LARGEST_A0)
    return a0


def _line(centre: Floats | float, sigma: Floats | float = _LSF_NM) -> Floats:
    """Gaussian of height 1 at `centre` nm, (N, W) or (W,)."""
    x = arrays()["wavelength_nm"] - np.asarray(centre)[..., None]
    return np.asarray(np.exp(-0.5 * (x / np.asarray(sigma)[..., None]) ** 2))


def _emission(flux: Floats, strength: Floats, lines: tuple[float, ...] = _BALMER) -> Floats:
    """Add emission lines whose height is `strength` (N,) times the continuum at H alpha."""
    heights = strength[:, None] * np.array([1.0, 0.45, 0.25, 0.15])[: len(lines)]
    glow = sum(heights[:, [i]] * _line(centre) for i, centre in enumerate(lines))
    level = flux[:, [int(np.argmax(_line(656.3)))]]
    return np.asarray(flux + level * np.asarray(glow))


def be(stars: Stars, rng: np.random.Generator) -> Floats:
    """Hot stars with Balmer emission from a disc."""
    return _emission(star(stars, rng), 0.25 * rng.gamma(1.5, size=len(stars)))


def young(stars: Stars, rng: np.random.Generator) -> Floats:
    """Cool stars with H alpha emission and a blue accretion excess in half of them."""
    n = len(stars)
    accreting = rng.random(n) < 0.5
    veil = np.where(accreting, 0.15 * rng.gamma(1.5, size=n), 0.0)
    hot = planck(arrays()["wavelength_nm"], np.full(n, 8000.0))
    flux = star(stars, rng)
    level = np.median(flux[:, 140:180], axis=1, keepdims=True)
    flux = flux + level * veil[:, None] * hot
    return _emission(flux, 0.05 + np.where(accreting, 0.4 * rng.gamma(1.5, size=n), 0.0))


def cataclysmic(stars: Stars, rng: np.random.Generator) -> Floats:
    """A hot disc with Balmer emission, beside a red dwarf."""
    n = len(stars)
    disc = planck(arrays()["wavelength_nm"], stars.teff)
    cool = np.full(n, 3500.0)
    dwarf = photosphere(cool, np.full(n, 4.8), np.zeros(n), np.zeros(n))
    dwarf /= np.median(dwarf[:, 170:200], axis=1, keepdims=True)
    return _emission(disc + rng.uniform(0, 0.6, (n, 1)) * dwarf, 0.4 * rng.gamma(1.5, size=n))


def symbiotic(stars: Stars, rng: np.random.Generator) -> Floats:
    """A red giant, a hot companion, and a nebula in Balmer lines."""
    flux = star(stars, rng)
    level = np.median(flux[:, 150:180], axis=1, keepdims=True)
    hot = planck(arrays()["wavelength_nm"], np.full(len(stars), 40000.0))
    flux = flux + level * rng.uniform(0, 0.15, (len(stars), 1)) * hot
    return _emission(flux, 1.2 * rng.gamma(1.5, size=len(stars)))


def white_dwarf(stars: Stars, rng: np.random.Generator) -> Floats:
    """Black bodies with broad Balmer absorption, strongest near 13,000 K (DA)."""
    depth = 0.45 * np.exp(-0.5 * (np.log(stars.teff / 13000.0) / 0.4) ** 2)
    depth *= np.where(rng.random(len(stars)) < 0.8, 1.0, 0.0)
    dips = sum(w * _line(c, 7.0) for c, w in zip(_BALMER, (0.6, 1.0, 1.0, 0.9), strict=True))
    bare = planck(arrays()["wavelength_nm"], stars.teff)
    return np.asarray(bare * np.exp(-depth[:, None] * np.asarray(dips)))


def cool_giant(stars: Stars, rng: np.random.Generator) -> Floats:
    """Oxygen-rich long-period variables: TiO deepens towards lower temperatures."""
    return star(stars, rng)


def carbon(stars: Stars, rng: np.random.Generator) -> Floats:
    """Carbon stars: C2 Swan and CN bands on a cool black body."""
    depth = 0.7 + 0.3 * rng.random(len(stars))
    dips = sum(w * _line(centre, sigma) for centre, sigma, w in _CARBON_BANDS)
    blue = 2.0 / (1.0 + np.exp((arrays()["wavelength_nm"] - 420.0) / 15.0))
    bare = planck(arrays()["wavelength_nm"], stars.teff)
    return np.asarray(bare * np.exp(-depth[:, None] * (np.asarray(dips) + blue)))


def r_coronae(stars: Stars, rng: np.random.Generator) -> Floats:
    """Hydrogen-poor supergiants: a warm black body with weak C2 bands."""
    cooler = carbon(stars, rng)
    bare = planck(arrays()["wavelength_nm"], stars.teff)
    return np.asarray(bare**0.7 * np.maximum(cooler, 1e-4) ** 0.3)


def quasar(stars: Stars, rng: np.random.Generator) -> Floats:
    """Power law with broad lines at the redshift, cut by the Lyman alpha forest."""
    wave, stretch = arrays()["wavelength_nm"], 1.0 + stars.redshift
    index = -1.55 + 0.35 * rng.standard_normal(len(stars))
    flux = (wave / 700.0) ** index[:, None]
    strength = np.exp(0.35 * rng.standard_normal(len(stars)))
    for rest, width in _QUASAR_LINES:  # width: rest-frame equivalent width in nm
        centre = rest * stretch
        sigma = np.hypot(0.008 * centre, _LSF_NM)
        height = strength * width * stretch / (sigma * np.sqrt(2 * np.pi))
        flux = flux * (1.0 + height[:, None] * _line(centre, sigma))
    edge = (121.0 * stretch)[:, None]
    forest = 1.0 / (1.0 + np.exp((wave - edge) / 4.0))
    absorbed = np.clip(0.1 + 0.2 * (stars.redshift[:, None] - 1.5), 0.0, 0.9)
    return np.asarray(flux * (1.0 - absorbed * forest))


def supernova(stars: Stars, rng: np.random.Generator) -> Floats:
    """Black body of a young supernova with broad absorption, on a redshifted grid."""
    stretch = 1.0 + stars.redshift
    hot = planck(arrays()["wavelength_nm"], rng.uniform(7000, 13000, len(stars)) / stretch)
    dips = sum(0.35 * _line(rest * stretch, 15.0) for rest in (380.0, 430.0, 490.0, 615.0))
    return np.asarray(hot * np.exp(-np.asarray(dips)))


def galaxy(stars: Stars, rng: np.random.Generator) -> Floats:
    """Old stellar light (K giants), redshifted; some with H alpha."""
    n, wave = len(stars), arrays()["wavelength_nm"]
    rest = photosphere(rng.uniform(4400, 5400, n), np.full(n, 2.5), np.zeros(n), np.zeros(n))
    moved = [np.interp(wave, wave * (1 + z), f) for z, f in zip(stars.redshift, rest, strict=True)]
    strength = np.where(rng.random(n) < 0.5, 0.3 * rng.random(n), 0.0)
    level = np.median(moved, axis=1, keepdims=True)
    glow = level * strength[:, None] * _line(656.3 * (1 + stars.redshift))
    return np.asarray(np.stack(moved) + glow)


_PAINTERS = {
    "star": star, "cool": cool_giant, "carbon": carbon, "agn": quasar, "yso": young, "be": be,
    "cv": cataclysmic, "wd": white_dwarf, "syst": symbiotic, "rcb": r_coronae, "sn": supernova,
    "galaxy": galaxy,
}  # fmt: skip


def observe(
    light: Light, g: Floats, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.float32]]:
    """Return noisy coefficients (N, 110) and their errors for sources of magnitude `g` (N,).

    What a smooth spectrum leaves open in its 110 coefficients is drawn as real ones scatter
    there; errors and their correlations are those of real rows at that magnitude and colour.
    """
    values = np.empty((len(g), len(noise_factor())))
    for prior, rows in (("field", light.ordinary), ("any", ~light.ordinary)):
        mean, gain, loose = following(prior)
        matrix = load_operator().calibrate
        own = light.flux[rows]
        values[rows] = mean + (own - matrix @ mean) @ gain.T
        values[rows] += rng.standard_normal((len(own), len(loose))) @ loose.T
    magnitudes = band_magnitudes(light.flux)
    dimming = g - magnitudes[:, 0]
    values *= 10.0 ** (-0.4 * dimming)[:, None]
    quiet = draw_errors(magnitudes + dimming[:, None], rng)
    errors = quiet * inflation(values, quiet, light.amplitude, rng)
    noise = rng.standard_normal(errors.shape) @ noise_factor().T
    return values + errors * noise, errors.astype(np.float32)
