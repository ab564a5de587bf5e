"""How each kind of source varies: magnitudes against time, faint is positive, mean near zero.

Every function takes the padded times (N, T) in d, the stars, and the block's generator. Periodic
curves have `amplitude` as semi-amplitude of their first harmonic, as the catalog column says;
`vary` brings stochastic ones to the scatter that this amplitude means, and measures the amplitude
of eclipses and events, whose shape sets it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_core.surveys.simulated.cadence import typical_scatter
from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.population import Stars

Floats = NDArray[np.float64]
Rng = np.random.Generator
# median amplitude / standard deviation of real sources (huijse-2025.md, 1.2)
AMPLITUDE_PER_STD = 1.245
_HARMONICS = 8
_TURN = 2.0 * np.pi


def vary(time: Floats, real: NDArray[np.bool_], stars: Stars, rng: Rng) -> tuple[Floats, Floats]:
    """Return magnitude differences (N, T), zero mean over real points, and amplitudes (N,)."""
    change = np.zeros_like(time)
    shapes = np.array([kind.shape for kind in KINDS])[stars.kind]
    for name, shape in SHAPES.items():
        rows = np.flatnonzero(shapes == name)
        if len(rows):
            change[rows] = shape(time[rows], stars.take(rows), rng)
    change -= _mean(change, real)[:, None]
    spread = np.sqrt(_mean(change**2, real))
    amplitude = 10.0**stars.log_amplitude
    scaled = np.isin(shapes, _STOCHASTIC) & (spread > 0)
    factor = np.where(scaled, _scatter(stars) / np.maximum(spread, 1e-9), 1.0)
    measured = np.isin(shapes, _MEASURED)
    amplitude = np.where(measured, np.maximum(AMPLITUDE_PER_STD * spread, 1e-3), amplitude)
    return change * factor[:, None], amplitude


def _scatter(stars: Stars) -> Floats:
    """Scatter (N,) in mag that the star itself must have: the measured one less the noise."""
    usual = 10.0**stars.log_amplitude / AMPLITUDE_PER_STD
    total = np.where(np.isfinite(stars.log_std), 10.0**stars.log_std, usual)
    # a third of the scatter is at least the star's own: these were all published as variable
    return np.sqrt(np.maximum(total**2 - typical_scatter(stars.g) ** 2, 0.1 * total**2))


def _mean(values: Floats, real: NDArray[np.bool_]) -> Floats:
    count = np.maximum(real.sum(axis=1), 1)
    return np.asarray((values * real).sum(axis=1) / count)


def _angle(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Phase angle in radians at `period_d`, with a random epoch."""
    period = 10.0 ** stars.log_period[:, None]
    return np.asarray(_TURN * (time / period + rng.random((len(stars), 1))))


def _amplitude(stars: Stars) -> Floats:
    return np.asarray(10.0 ** stars.log_amplitude[:, None])


def fourier(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """RR Lyrae and Cepheids: measured R21, R31, phi21, phi31; higher terms continue them."""
    r21, r31, phi21, phi31 = (stars.shape[:, [i]] for i in range(1, 5))
    r21, r31 = np.clip(r21, 0.02, 0.75), np.clip(r31, 0.0, 0.55)
    return _amplitude(stars) * _harmonics(_angle(time, stars, rng), r21, r31, phi21, phi31)


def _harmonics(x: Floats, r21: Floats, r31: Floats, phi21: Floats, phi31: Floats) -> Floats:
    """Sum cos(k x + phi_k1), the archive's convention; k > 3 falls off as 2 to 3 does."""
    fall = np.clip(r31 / r21, 0.0, 0.72)
    turn = (phi31 - phi21 + np.pi) % _TURN - np.pi
    total = np.cos(x) + r21 * np.cos(2 * x + phi21)
    for k in range(3, _HARMONICS):
        total = total + r31 * fall ** (k - 3) * np.cos(k * x + phi31 + (k - 3) * turn)
    return np.asarray(total)


def cepheid2(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Type II Cepheids: broad maxima with a second bump."""
    n = len(stars)
    r21, phi21 = rng.uniform(0.1, 0.35, (n, 1)), rng.normal(4.6, 0.5, (n, 1))
    x = _angle(time, stars, rng)
    return _amplitude(stars) * _harmonics(x, r21, 0.3 * r21, phi21, rng.normal(2.8, 0.6, (n, 1)))


def modes(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """One pulsation mode, skewed where it is large (HADS), and as many more as scatter is left."""
    n, amplitude = len(stars), _amplitude(stars)
    x = _angle(time, stars, rng)
    skew = np.clip(2.5 * amplitude, 0.05, 0.4)
    total = amplitude * (np.cos(x) + skew * np.cos(2 * x + 4.0))
    part = rng.dirichlet((1.0, 1.0, 1.0), n)
    for mode in range(3):
        other = _left_over(stars) * np.sqrt(part[:, [mode]])
        ratio, begin = rng.uniform(0.6, 1.6, (n, 1)), _TURN * rng.random((n, 1))
        total = total + np.minimum(other, 0.95 * amplitude) * np.cos(ratio * x + begin)
    return np.asarray(total)


def _left_over(stars: Stars) -> Floats:
    """Amplitude (N, 1) of a wave that makes up for scatter beyond first harmonic and noise."""
    left = 2.0 * _scatter(stars) ** 2 - 100.0**stars.log_amplitude
    return np.asarray(np.sqrt(np.maximum(left, 0.0)))[:, None]


def stable(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Chemical spots that never change: two harmonics."""
    n, x = len(stars), _angle(time, stars, rng)
    second = np.minimum(_left_over(stars), 0.8 * _amplitude(stars))
    return np.asarray(
        _amplitude(stars) * np.cos(x) + second * np.cos(2 * x + _TURN * rng.random((n, 1)))
    )


def spots(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Spots that grow, drift and fade over months: quasi-periodic rotation."""
    n, x = len(stars), _angle(time, stars, rng)
    life = rng.uniform(150, 700, (n, 1))
    slow = _TURN * (time / life + rng.random((n, 1)))
    cycle = _TURN * (time / rng.uniform(800, 3000, (n, 1)) + rng.random((n, 1)))
    wave = (1 + 0.35 * np.sin(slow)) * np.cos(x + 0.6 * np.sin(0.7 * slow))
    wave = wave + rng.uniform(0.0, 0.5, (n, 1)) * np.cos(2 * x + np.sin(slow))
    return _amplitude(stars) * (wave + 0.4 * np.cos(cycle))


def mira(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Large, slightly asymmetric cycles that differ by a tenth from each other."""
    n, x = len(stars), _angle(time, stars, rng)
    cycle = 1 + 0.15 * np.cos(0.53 * x + _TURN * rng.random((n, 1)))
    steep = rng.normal(0.0, 1.0, (n, 1)) + 4.9  # faster up than down, flat minima or maxima
    wave = cycle * np.cos(x) + rng.uniform(0.0, 0.35, (n, 1)) * np.cos(2 * x + steep)
    return _amplitude(stars) * (wave + 0.25 * _trend(time, rng))


def semiregular(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Two or three periods that beat, a long secondary one, a trend, and irregular changes."""
    n, x = len(stars), _angle(time, stars, rng)
    total = np.cos(x)
    for low, high in ((0.45, 0.6), (0.85, 1.2), (1.8, 2.2)):
        share = rng.uniform(0.1, 0.5, (n, 1))
        begin = _TURN * rng.random((n, 1))
        total = total + share * np.cos(x * rng.uniform(low, high, (n, 1)) + begin)
    slow = _TURN * (time / rng.uniform(300, 1200, (n, 1)) + rng.random((n, 1)))
    total = total + rng.uniform(0, 0.5, (n, 1)) * np.cos(slow) + 0.3 * _trend(time, rng)
    period = 10.0 ** stars.log_period[:, None]
    total = total + 0.6 * _walk(time, np.maximum(0.12 * period, 8.0), rng)
    # fadings are deeper than brightenings, in mag
    return _amplitude(stars) * (total + 0.04 * total**2)


def symbiotic(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """The giant's cycles and the accretion of its companion."""
    return semiregular(time, stars, rng) + 0.6 * _amplitude(stars) * _walk(
        time, np.full((len(stars), 1), 150.0), rng
    )


def _trend(time: Floats, rng: Rng) -> Floats:
    return np.asarray(rng.standard_normal((len(time), 1)) * (time - 2185.0) / 519.0)


def eclipse(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Two Gaussian dips and an ellipsoidal term (vari_eclipsing_binary, Mowlavi et al. 2023)."""
    phase = (_angle(time, stars, rng) / _TURN) % 1.0
    _, depth, ratio, sigma, widths, apart, wave = (stars.shape[:, [i]] for i in range(7))
    first, second = 10.0 ** np.clip(depth, -2.5, 0.3), 10.0 ** np.clip(ratio, -2.0, 0.0)
    width = 10.0 ** np.clip(sigma, -2.2, -0.75)
    other = np.clip(width * 10.0 ** np.clip(widths, -0.5, 0.5), 0.006, 0.18)
    away = 0.5 + np.clip(apart, -0.35, 0.35)
    half = np.where(wave > -2.6, 10.0 ** np.clip(wave, -2.6, -0.5), 0.0)
    dips = first * (_dip(phase, 0.0, width) + second * _dip(phase, away, other))
    return np.asarray(dips + half * np.cos(2 * _TURN * phase))


def _dip(phase: Floats, centre: Floats | float, sigma: Floats) -> Floats:
    distance = (phase - centre + 0.5) % 1.0 - 0.5
    return np.asarray(np.exp(-0.5 * (distance / sigma) ** 2))


def ellipsoid(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Tidal distortion: two unequal minima in one orbit."""
    x = _angle(time, stars, rng)
    return _amplitude(stars) * (np.cos(2 * x) + rng.uniform(0, 0.25, (len(stars), 1)) * np.cos(x))


def transits(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """A planet in front of its star: shallow boxes, one at least on a transit of Gaia."""
    phase = ((time - _moment(time, rng)) / 10.0 ** stars.log_period[:, None] + 0.5) % 1.0
    depth, width = 10.0 ** rng.uniform(-2.4, -1.6, (len(stars), 1)), 0.035
    return np.asarray(depth / (1 + np.exp((np.abs(phase - 0.5) - width / 2) / 0.002)))


def _walk(time: Floats, tau_d: Floats, rng: Rng) -> Floats:
    """Damped random walk of unit variance and time scale tau; Kelly et al. 2009, eq. 1."""
    noise = rng.standard_normal(time.shape)
    walk = np.empty_like(time)
    walk[:, 0] = noise[:, 0]
    keep = np.exp(-np.diff(time, axis=1) / tau_d)
    for t in range(1, time.shape[1]):
        k = keep[:, t - 1]
        walk[:, t] = k * walk[:, t - 1] + np.sqrt(1 - k**2) * noise[:, t]
    return walk


def drw_slow(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Active nuclei: tau of half a year, rest frame, MacLeod et al. 2010."""
    tau = 200.0 * np.exp(0.7 * rng.standard_normal((len(stars), 1)))
    return _walk(time, tau * (1 + stars.redshift[:, None]), rng)


def drw_fast(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Galaxies do not vary: their extended image does, with the scan angle of each visit."""
    return _walk(time, np.full((len(stars), 1), 0.6), rng)


def young(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Rotation of spotted young stars and bursts of accretion, in changing parts."""
    part = rng.beta(0.8, 0.8, (len(stars), 1))
    tau = 10.0 ** rng.uniform(-0.3, 1.7, (len(stars), 1))
    wild = _walk(time, tau, rng)
    dips = 2.5 * np.maximum(wild - 0.8, 0.0) * (rng.random((len(stars), 1)) < 0.4)
    return part * (wild + dips) + (1 - part) * spots(time, stars, rng) / _amplitude(stars)


def be(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Disc outbursts over months on top of short non-radial pulsation."""
    n = len(stars)
    disc = _walk(time, rng.uniform(40, 400, (n, 1)), rng)
    x = _angle(time, stars, rng)
    return np.cos(x) * rng.uniform(0.3, 1.5, (n, 1)) - np.exp(0.6 * disc)


def outbursts(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """Dwarf novae: days of outburst every weeks or months, flickering and orbital humps."""
    n = len(stars)
    cycle = rng.uniform(20, 250, (n, 1))
    since = (time + cycle * rng.random((n, 1))) % cycle
    burst = np.exp(-((since / rng.uniform(4, 12, (n, 1))) ** 2))
    hump = 0.1 * np.cos(_angle(time, stars, rng))
    return -3.0 * burst + hump + 0.2 * _walk(time, np.full((n, 1), 0.05), rng)


def dips(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """R Coronae Borealis: up to three dust clouds, fast decline, slow recovery."""
    n = len(stars)
    total = 0.06 * np.cos(_TURN * time / rng.uniform(35, 60, (n, 1)))
    for _ in range(3):
        since = time - rng.uniform(1500, 2650, (n, 1))
        depth = rng.uniform(0.5, 6.0, (n, 1)) * (rng.random((n, 1)) < 0.7)
        fall = 1 / (1 + np.exp(-(since - 20) / 6))
        total = total + depth * fall * np.exp(-np.maximum(since, 0) / rng.uniform(60, 300, (n, 1)))
    return total


def _moment(time: Floats, rng: Rng) -> Floats:
    """Pick one of each source's own transits, so that what happens is seen to happen."""
    column = (rng.uniform(0.1, 0.9, len(time)) * time.shape[1]).astype(int)
    return np.asarray(time[np.arange(len(time)), column][:, None])


def lens(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """One symmetric brightening; Paczynski 1986, ApJ 304, 1, eq. 10-11."""
    n = len(stars)
    crossing = np.exp(rng.normal(np.log(40.0), 0.7, (n, 1)))
    apart = ((time - _moment(time, rng)) / crossing) ** 2 + rng.uniform(0.05, 0.7, (n, 1)) ** 2
    return np.asarray(-2.5 * np.log10((apart + 2) / np.sqrt(apart * (apart + 4))))


def supernova(time: Floats, stars: Stars, rng: Rng) -> Floats:
    """A rise of days and a decline of months over the host's light."""
    since = time - _moment(time, rng)
    rise = 1 / (1 + np.exp(-(since + 12) / 3))
    light = rise * np.exp(-np.maximum(since, 0.0) / rng.uniform(25, 70, (len(stars), 1)))
    return np.asarray(-2.5 * np.log10(0.3 + rng.uniform(0.5, 3, (len(stars), 1)) * light))


SHAPES = {
    "fourier": fourier, "cepheid2": cepheid2, "modes": modes, "stable": stable, "spots": spots,
    "mira": mira, "semiregular": semiregular, "symbiotic": symbiotic, "eclipse": eclipse,
    "ellipsoid": ellipsoid, "transits": transits, "drw_slow": drw_slow, "drw_fast": drw_fast,
    "young": young, "be": be, "outbursts": outbursts, "dips": dips, "lens": lens,
    "supernova": supernova,
}  # fmt: skip
_STOCHASTIC = ("drw_slow", "drw_fast", "young", "be", "outbursts", "dips", "symbiotic",
               "semiregular", "spots")  # fmt: skip
_MEASURED = ("eclipse", "lens", "supernova", "transits")
