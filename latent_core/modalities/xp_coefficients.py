"""XP continuous coefficients over G flux: the scatter VAE's input (Laroche & Speagle 2024)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.modalities import Constants, Curve, Floats, Grid, Modality, Observations
from latent_core.modalities.xp_operator import load_operator
from latent_core.products import Product, XpCoefficients
from latent_core.release import load_release

REFERENCE_G = 15.0
G_COLUMN = "phot_g_mean_mag"


class XpCoefficientsModality(Modality):
    """x = (c / F_G - mean) / spread, error likewise; `F_G` in e-/s from the G magnitude.

    Mean and spread are fitted on the training split and stored inside the model file
    (scatter-vae-2024.md, 2.1). Correlations between coefficients are not used.
    """

    name = "xp_coefficients"
    title = "XP spectrum"
    product = XpCoefficients.name
    scale_names = ("g_flux",)
    catalog_columns = (G_COLUMN,)

    def fit(self, product: Product, catalog: Catalog, train: NDArray[np.bool_]) -> Constants:
        """Return mean and spread (110,) of c / F_G over usable training rows."""
        usable, x, _, _ = _over_g_flux(product, catalog)
        rows = product.rows[usable]
        chosen = x[train[rows]] if train[rows].any() else x
        if not len(chosen):  # `preprocess` says of every row why it cannot be used
            return {"mean": np.zeros(x.shape[1]), "spread": np.ones(x.shape[1])}
        spread = chosen.std(axis=0)
        return {"mean": chosen.mean(axis=0), "spread": np.where(spread > 0, spread, 1.0)}

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Standardise; a source without one band, without G or without errors is refused."""
        usable, x, error, g_flux = _over_g_flux(product, catalog)
        mean, spread = constants["mean"], constants["spread"]
        return Observations(
            rows=np.asarray(product.rows[usable], np.int64),
            arrays={
                "x": ((x - mean) / spread).astype(np.float32),
                "error": (error / spread).astype(np.float32),
                "mask": np.ones(x.shape, bool),
            },
            scales=g_flux[:, None],
            rejected=_reasons(product, catalog, usable),
        )

    def decoded(
        self,
        mean: Floats,
        sigma: Floats,
        scales: NDArray[np.float64] | None,
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the calibrated spectrum with its scatter; without scales at G = 15 mag."""
        g_flux = float(load_release().g_flux(REFERENCE_G)) if scales is None else float(scales[0])
        coefficients = np.asarray(mean, np.float64) * constants["spread"] + constants["mean"]
        scatter = np.asarray(sigma, np.float64) * constants["spread"]
        label = "flux" if scales is not None else f"flux at G = {REFERENCE_G:.0f} mag"
        return (spectrum(coefficients * g_flux, scatter * g_flux, label),)

    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the calibrated spectrum of the measured coefficients with its errors."""
        assert isinstance(product, XpCoefficients)  # noqa: S101 - the registry pairs them
        return (spectrum(product.values[item], product.errors[item], "flux"),)


def spectrum(coefficients: NDArray, errors: NDArray, label: str) -> Curve:
    """Calibrate coefficients and propagate independent errors: diag(B C B^T)."""
    operator = load_operator()
    variance = np.asarray(errors, np.float64) ** 2 @ (operator.calibrate**2).T
    return Curve(
        name="XP",
        x=operator.wavelength_nm,
        y=operator.calibrate @ np.asarray(coefficients, np.float64),
        y_error=np.sqrt(variance),
        x_label="wavelength",
        x_unit="nm",
        y_label=label,
        y_unit="W m^-2 nm^-1",
    )


def _g_flux(product: XpCoefficients, catalog: Catalog) -> NDArray[np.float64]:
    """Return F_G from the catalog, and from the spectrum itself where the catalog has no G.

    XP files of the archive carry no magnitude; synthetic G agrees with the catalog's to 1 %.
    """
    made = np.asarray(product.values, np.float64) @ load_operator().g_flux
    if G_COLUMN not in catalog.frame:
        found = made
    else:
        magnitude = catalog.frame[G_COLUMN].to_numpy(np.float64)[product.rows]
        found = np.where(np.isfinite(magnitude), load_release().g_flux(magnitude), made)
    return np.where(found > 0, found, np.nan)


def _usable(product: XpCoefficients, g_flux: NDArray[np.float64]) -> NDArray[np.bool_]:
    finite = np.isfinite(product.values).all(axis=1)
    measured = (np.isfinite(product.errors) & (product.errors > 0)).all(axis=1)
    return finite & measured & np.isfinite(g_flux)


def _over_g_flux(
    product: Product, catalog: Catalog
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return usable items, their coefficients and errors over F_G, and F_G."""
    assert isinstance(product, XpCoefficients)  # noqa: S101 - the registry pairs them
    g_flux = _g_flux(product, catalog)
    usable = np.flatnonzero(_usable(product, g_flux))
    over = g_flux[usable, None]
    return usable, product.values[usable] / over, product.errors[usable] / over, g_flux[usable]


def _reasons(
    product: Product, catalog: Catalog, usable: NDArray[np.int64]
) -> tuple[tuple[int, str], ...]:
    assert isinstance(product, XpCoefficients)  # noqa: S101 - the registry pairs them
    g_flux = _g_flux(product, catalog)
    refused = np.setdiff1d(np.arange(len(product.rows)), usable)
    reasons = []
    for item in refused:
        if not np.isfinite(g_flux[item]):
            why = "no G magnitude, and its spectrum gives none: a band is missing or has no flux"
        elif not np.isfinite(product.values[item]).all():
            why = "a band is missing or a coefficient is not finite"
        else:
            why = "a coefficient error is missing or not positive"
        reasons.append((int(product.rows[item]), why))
    return tuple(reasons)
