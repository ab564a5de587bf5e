"""Period and amplitude as coordinates: the two numbers that the release adds to its map.

Huijse et al. 2025 place sources by 15 latents, log10 of the frequency and log10 of the amplitude
(huijse-2025.md, 1.2 and 5.3): a shape over phase knows neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.modalities import Constants, Curve, Floats, Grid, Modality, Observations
from latent_core.modalities.folded import CURVE_PHASES, FREQUENCY_COLUMNS, frequencies
from latent_core.modalities.light_curves import (
    FEWEST_POINTS,
    clean,
    error_bins,
    too_few_or_flat,
)
from latent_core.products import G_BAND, EpochPhotometry, Product

CYCLES_SHOWN = 2  # over twice the period, as the folded curve stands


class CycleModality(Modality):
    """(log10 frequency in 1/d, log10 amplitude in mag) of the cleaned G light curve.

    Amplitude is the semi-amplitude sqrt(a^2 + b^2) of the least-squares fit constant + a cos +
    b sin at the catalog's frequency, points weighted by 1 / error^2; it is not peak to peak. The
    errors are formal, for white noise of the stated size (Montgomery & O'Donoghue 1999, DSSN 13).
    """

    name = "cycle"
    title = "period and amplitude"
    product = EpochPhotometry.name
    catalog_columns = FREQUENCY_COLUMNS
    scale_names = ("mag_constant",)
    latent_names = ("log_frequency", "log_amplitude")

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Clean and fit; no frequency, under 5 points or no amplitude is a refusal."""
        assert isinstance(product, EpochPhotometry)  # noqa: S101 - the registry pairs them
        rows = np.asarray(product.rows, np.int64)
        frequency = frequencies(catalog)[rows]
        fits, count = _fit_all(
            np.asarray(product.offsets),
            np.asarray(product.time, np.float64),
            np.asarray(product.mag, np.float64),
            np.asarray(product.mag_error, np.float64),
            np.asarray((product.band == G_BAND) & ~product.rejected),
            frequency,
            error_bins(constants),
        )
        usable = (count >= FEWEST_POINTS) & (fits[:, 1] > 0)
        constant, amplitude, amplitude_error, frequency_error = fits[usable].T
        x = np.log10(np.c_[frequency[usable], amplitude])
        error = np.c_[frequency_error / frequency[usable], amplitude_error / amplitude]
        error /= math.log(10)
        return Observations(
            rows=rows[usable],
            arrays={
                "x": x.astype(np.float32),
                "error": error.astype(np.float32),
                "mask": np.ones(x.shape, bool),
            },
            scales=constant[:, None],
            rejected=tuple(
                (int(rows[i]), _why(frequency[i], count[i])) for i in np.flatnonzero(~usable)
            ),
        )

    def decoded(
        self,
        mean: Floats,
        sigma: Floats,
        scales: NDArray[np.float64] | None,
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return a sine of that amplitude, faintest at phase 0, over twice the period."""
        return (_sine(float(mean[1]), float(sigma[1]), scales),)

    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the fitted sine with its formal error."""
        return (_sine(float(arrays["x"][1]), float(arrays["error"][1]), scales),)


def _why(frequency: float, count: int) -> str:
    if not np.isfinite(frequency):
        return "the catalog has no frequency for it"
    return too_few_or_flat(count)


def _sine(log_amplitude: float, error: float, scales: NDArray[np.float64] | None) -> Curve:
    phase = np.arange(CURVE_PHASES) / CURVE_PHASES
    wave = 10**log_amplitude * np.cos(2 * np.pi * CYCLES_SHOWN * phase)
    return Curve(
        name="sine",
        x=phase,
        y=wave + (0.0 if scales is None else scales[0]),
        y_error=np.abs(wave) * math.log(10) * error,
        x_label="phase",
        x_unit="of twice the period",
        y_label="G - its mean" if scales is None else "G",
        y_unit="mag",
        y_inverted=True,
    )


@njit(cache=True)
def _fit_all(
    offsets: NDArray[np.int64],
    time: NDArray[np.float64],
    mag: NDArray[np.float64],
    error: NDArray[np.float64],
    good: NDArray[np.bool_],
    frequency: NDArray[np.float64],
    bins: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return constant, amplitude, its error and the frequency's (M, 4); and points (M,)."""
    count = np.zeros(len(frequency), np.int64)
    fits = np.zeros((len(frequency), 4))
    for m in range(len(frequency)):
        part = np.flatnonzero(good[offsets[m] : offsets[m + 1]]) + offsets[m]
        keep = part[clean(time[part], mag[part], error[part], bins)]
        count[m] = len(keep)
        if np.isfinite(frequency[m]) and len(keep) >= FEWEST_POINTS:
            fits[m] = fit_sine(time[keep], mag[keep], error[keep], frequency[m])
    return fits, count


@njit(cache=True)
def fit_sine(
    time: NDArray[np.float64],
    mag: NDArray[np.float64],
    error: NDArray[np.float64],
    frequency: float,
) -> NDArray[np.float64]:
    """Fit constant + a cos + b sin with weights 1 / error^2 at a frequency in 1/d.

    Times in d, magnitudes and errors in mag, (n,). Returns constant, sqrt(a^2 + b^2) and its
    error in mag, and the error of the frequency in 1/d, (4,).
    """
    angle = 2 * np.pi * frequency * (time - time.mean())
    design = np.ones((len(time), 3))
    design[:, 1], design[:, 2] = np.cos(angle), np.sin(angle)
    middle = mag.mean()
    scaled = design / error.reshape(-1, 1)
    solved = np.linalg.lstsq(scaled, (mag - middle) / error)[0]
    amplitude = math.sqrt(solved[1] ** 2 + solved[2] ** 2)
    result = np.zeros(4)
    result[0], result[1] = solved[0] + middle, amplitude
    span = time.max() - time.min()
    if amplitude > 0 and span > 0:
        noise = 1 / math.sqrt((error**-2.0).sum())
        result[2] = math.sqrt(2.0) * noise
        result[3] = math.sqrt(6.0) / math.pi / span * noise / amplitude
    return result
