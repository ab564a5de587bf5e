"""XP spectra on the pseudo-wavelength grid: the input of Huijse et al. 2025, release variant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.modalities import Constants, Curve, Floats, Grid, Modality, Observations
from latent_core.modalities.xp_operator import XpOperator, load_operator
from latent_core.products import Product, XpCoefficients

# Of linspace(0, 60, 55) per band the release drops the first 2 and the last 3 (huijse-2025.md, 3)
CLIP = slice(2, 52)
SCALE_QUANTILE = 0.995
BANDS = ("bp", "rp")


class XpSamplesModality(Modality):
    """Internally calibrated fluxes, BP then RP, over the 0.995 quantile of all of them.

    One factor scales both bands, so that their ratio (the colour) survives; errors are divided
    too and serve as likelihood weights only: a sample without an error has no weight, and a
    source without any is encoded but never trained on. Errors are propagated without correlations.
    """

    name = "xp_samples"
    title = "XP spectrum, pseudo-wavelength samples"
    product = XpCoefficients.name
    scale_names = ("flux_scale",)

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Sample and scale; a source without both bands, or without any flux, is refused."""
        assert isinstance(product, XpCoefficients)  # noqa: S101 - the registry pairs them
        flux, error = sampled_flux(product.values, product.errors)
        scale = np.quantile(flux, SCALE_QUANTILE, axis=1)
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
        factor, unit = (1.0, "of its 99.5 %") if scales is None else (scales[0], "e-/s")
        return _curves(np.asarray(mean) * factor, np.asarray(sigma) * factor, unit)

    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the measured samples of both bands in e-/s."""
        return _curves(arrays["x"] * scales[0], arrays["error"] * scales[0], "e-/s")


def sampled_flux(
    values: NDArray[np.floating], errors: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert coefficients (M, 110) to flux and error in e-/s at the clipped grid, (M, 100)."""
    operator = load_operator()
    n = values.shape[1] // len(BANDS)
    flux, variance = [], []
    for i, band in enumerate(BANDS):
        matrix = operator.convert[band][CLIP]
        own = slice(i * n, (i + 1) * n)
        flux.append(np.asarray(values[:, own], np.float64) @ matrix.T)
        variance.append(np.asarray(errors[:, own], np.float64) ** 2 @ (matrix**2).T)
    return np.hstack(flux), np.sqrt(np.hstack(variance))


def _why(finite: bool) -> str:
    return "its spectrum has no positive flux" if finite else "a band is missing or not finite"


def _curves(flux: NDArray, error: NDArray, unit: str) -> tuple[Curve, ...]:
    operator: XpOperator = load_operator()
    half = len(flux) // len(BANDS)
    return tuple(
        Curve(
            name=band.upper(),
            x=operator.sample_nm[band][CLIP],
            y=np.asarray(flux[i * half : (i + 1) * half], np.float64),
            y_error=np.asarray(error[i * half : (i + 1) * half], np.float64),
            x_label="wavelength",
            x_unit="nm",
            y_label="XP flux",
            y_unit=unit,
        )
        for i, band in enumerate(BANDS)
    )
