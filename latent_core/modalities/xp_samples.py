"""XP spectra on the pseudo-wavelength grid: the input of Huijse et al. 2025, both variants."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
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
from latent_core.modalities.xp_operator import XpOperator, load_operator
from latent_core.products import Product, XpCoefficients

# Of linspace(0, 60, 55) per band the release drops the first 2 and the last 3 (huijse-2025.md, 3)
CLIP = slice(2, 52)
SCALE_QUANTILE = 0.995
BANDS = ("bp", "rp")
# The paper keeps the whole grid. Its scale is not published; the rms of all samples explains the
# height of the spectrum that it shows best (huijse-2025.md, 3).
PAPER_CONSTANTS = {"clip": np.array([0.0, 55.0]), "scale_by_rms": np.array(1.0)}


class XpSamplesModality(Modality):
    """Internally calibrated fluxes, BP then RP, over the 0.995 quantile of all of them.

    One factor scales both bands, so that their ratio (the colour) survives; errors are divided
    too and serve as likelihood weights only: a sample without an error has no weight, and a
    source without any is encoded but never trained on. Errors are propagated without correlations.
    The preparation `paper` keeps all 2 x 55 samples and divides by their rms.
    """

    name = "xp_samples"
    title = "XP spectrum, pseudo-wavelength samples"
    product = XpCoefficients.name
    scale_names = ("flux_scale",)
    preparations = MappingProxyType({RELEASE: {}, PAPER: PAPER_CONSTANTS})

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Sample and scale; a source without both bands, or without any flux, is refused."""
        assert isinstance(product, XpCoefficients)  # noqa: S101 - the registry pairs them
        flux, error = sampled_flux(product.values, product.errors, _clip(constants))
        scale = _scale(flux, constants)
        finite = np.asarray(np.isfinite(flux).all(axis=1))
        usable = np.asarray(finite & (scale > 0))
        rows = np.asarray(product.rows, np.int64)
        factor = scale[usable, None]
        x = (flux[usable] / factor).astype(np.float32)
        error = (error[usable] / factor).astype(np.float32)
        weighed = np.isfinite(error) & (error > 0)
        return Observations(
            rows=rows[usable],
            arrays={
                "x": x,
                "error": np.where(weighed, error, 1).astype(np.float32),
                "mask": weighed,
            },
            scales=factor,
            rejected=tuple((int(rows[i]), _why(finite[i])) for i in np.flatnonzero(~usable)),
        )

    def decoded(
        self,
        mean: Floats,
        sigma: Floats,
        scales: NDArray[np.float64] | None,
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return BP and RP in e-/s, or relative to the bright end where no scale is given."""
        relative = "of its rms" if _by_rms(constants) else "of its 99.5 %"
        factor, unit = (1.0, relative) if scales is None else (scales[0], "e-/s")
        mean, sigma = np.asarray(mean) * factor, np.asarray(sigma) * factor
        return _curves(mean, sigma, unit, _clip(constants))

    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the measured samples of both bands in e-/s."""
        flux, error = arrays["x"] * scales[0], arrays["error"] * scales[0]
        return _curves(flux, error, "e-/s", _clip(constants))


def sampled_flux(
    values: NDArray[np.floating], errors: NDArray[np.floating], clip: slice = CLIP
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert coefficients (M, 110) to flux and error in e-/s at the clipped grid, (M, 2 S)."""
    operator = load_operator()
    n = values.shape[1] // len(BANDS)
    flux, variance = [], []
    for i, band in enumerate(BANDS):
        matrix = operator.convert[band][clip]
        own = slice(i * n, (i + 1) * n)
        flux.append(np.asarray(values[:, own], np.float64) @ matrix.T)
        variance.append(np.asarray(errors[:, own], np.float64) ** 2 @ (matrix**2).T)
    return np.hstack(flux), np.sqrt(np.hstack(variance))


def _clip(constants: Constants) -> slice:
    return slice(*constants["clip"].astype(int)) if "clip" in constants else CLIP


def _by_rms(constants: Constants) -> bool:
    return bool(constants.get("scale_by_rms", 0))


def _scale(flux: NDArray[np.float64], constants: Constants) -> NDArray[np.float64]:
    """Return one factor a source, (M,); of a spectrum without positive flux it is not positive."""
    if not _by_rms(constants):
        quantile: NDArray[np.float64] = np.quantile(flux, SCALE_QUANTILE, axis=1)
        return quantile
    rms = np.sqrt((flux**2).mean(axis=1))
    return np.where(flux.max(axis=1, initial=-np.inf) > 0, rms, 0.0)


def _why(finite: bool) -> str:
    return "its spectrum has no positive flux" if finite else "a band is missing or not finite"


def _curves(flux: NDArray, error: NDArray, unit: str, clip: slice) -> tuple[Curve, ...]:
    operator: XpOperator = load_operator()
    half = len(flux) // len(BANDS)
    return tuple(
        Curve(
            name=band.upper(),
            x=operator.sample_nm[band][clip],
            y=np.asarray(flux[i * half : (i + 1) * half], np.float64),
            y_error=np.asarray(error[i * half : (i + 1) * half], np.float64),
            x_label="wavelength",
            x_unit="nm",
            y_label="XP flux",
            y_unit=unit,
        )
        for i, band in enumerate(BANDS)
    )
