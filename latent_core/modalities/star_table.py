"""A star as one row of numbers: magnitudes of several surveys and XP coefficients, any missing.

The masked autoencoder's input (masked-stellar-autoencoder.md, 1.1 and 2.1). Bands are fed as
band - G and coefficients (with their errors) over the G flux, which takes the distance out; G
itself is fed as it is and is the one number that every star must have. Labels travel beside the
inputs for training and are never among them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.modalities import Constants, Curve, Floats, Grid, Modality, Observations
from latent_core.modalities.star_columns import (
    ANCHOR,
    BAND_PART,
    BANDS,
    CATALOG_COLUMNS,
    COLUMNS,
    LABELS,
    NAMES,
    XP_PART,
)
from latent_core.modalities.xp_coefficients import REFERENCE_G, spectrum
from latent_core.modalities.xp_photometry import load_photometry
from latent_core.products import Product, XpCoefficients
from latent_core.release import load_release

ANCHOR_COLUMN = NAMES.index(ANCHOR)
FURTHEST = 30.0  # spreads from the median; beyond are blends and failed fits, which teach nothing
Wide = NDArray[np.float64]


class StarTableModality(Modality):
    """x = (value - center) / spread per column: median and half the 16-84 range of training rows.

    A band that no star has is scaled by its synthetic magnitudes, so it can be learned from XP.
    """

    name = "star_table"
    title = "XP and photometry"
    product = XpCoefficients.name
    scale_names = ("g_mag", "has_xp")
    catalog_columns = CATALOG_COLUMNS

    def fit(self, product: Product, catalog: Catalog, train: NDArray[np.bool_]) -> Constants:
        """Return centers and spreads of columns (C,) and labels (L,), and band offsets (B,).

        `learned` (C,) is 1 for columns that some star has, or its spectrum gives.
        """
        rows = _rows(catalog)
        chosen = train[rows] if train[rows].any() else np.ones(len(rows), bool)
        values, _ = _values(product, catalog, rows)
        made = synthetic_colors(product, catalog, rows)
        values, made = values[chosen], made[chosen]
        offset = np.nan_to_num(_median(made - values[:, BAND_PART]))
        own = values[:, BAND_PART]
        unseen = ~np.isfinite(own).any(axis=0)
        own[:, unseen] = made[:, unseen]
        center, spread = _robust(values)
        label_center, label_spread = _robust(_labels(catalog, rows)[chosen])
        return {
            "center": center,
            "spread": spread,
            "label_center": label_center,
            "label_spread": label_spread,
            "synthetic_offset": offset,
            "learned": np.asarray(np.isfinite(values).any(axis=0), np.float64),
        }

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Standardise every source that has G; a missing entry is 0 with its mask False."""
        rows = _rows(catalog)
        values, errors = _values(product, catalog, rows)
        x = (values - constants["center"]) / constants["spread"]
        mask = np.isfinite(x)
        made = synthetic_colors(product, catalog, rows) - constants["synthetic_offset"]
        made = (made - constants["center"][BAND_PART]) / constants["spread"][BAND_PART]
        labels = _labels(catalog, rows)
        labels = (labels - constants["label_center"]) / constants["label_spread"]
        known = np.isfinite(labels)
        g = _read(catalog, BANDS[ANCHOR_COLUMN].columns, rows)
        return Observations(
            rows=rows,
            arrays={
                "x": _tame(x),
                "error": np.nan_to_num(errors / constants["spread"]).astype(np.float32),
                "mask": mask,
                "synthetic": _tame(made),
                "synthetic_mask": np.isfinite(made),
                "labels": np.nan_to_num(labels).astype(np.float32),
                "label_mask": known,
            },
            scales=np.column_stack([g, mask[:, XP_PART].all(axis=1)]).astype(np.float64),
            rejected=tuple(
                (int(row), "no G magnitude") for row in np.setdiff1d(np.arange(len(catalog)), rows)
            ),
        )

    def decoded(
        self, mean: Floats, sigma: Floats, scales: NDArray[np.float64] | None, constants: Constants
    ) -> tuple[Curve | Grid, ...]:
        """Return the XP spectrum; of a star without XP it is imputed and its axis says so.

        The scatter is that of coefficients hidden in training, so of a star whose XP was read it
        is an upper bound.
        """
        g, has_xp = (REFERENCE_G, 1.0) if scales is None else scales
        g_flux = float(load_release().g_flux(float(g)))
        center, spread = constants["center"][XP_PART], constants["spread"][XP_PART]
        coefficients = np.asarray(mean[XP_PART], np.float64) * spread + center
        scatter = np.asarray(sigma[XP_PART], np.float64) * spread
        label = "flux" if scales is not None else f"flux at G = {REFERENCE_G:.0f} mag"
        return (
            spectrum(coefficients * g_flux, scatter * g_flux, label if has_xp else "imputed flux"),
        )

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


def band_magnitudes(decoded: NDArray, constants: Constants, g: Wide) -> Wide:
    """Return magnitudes (M, B) of decoded or standardised rows (M, C) of stars with G `g` (M,)."""
    center, spread = constants["center"][BAND_PART], constants["spread"][BAND_PART]
    magnitudes = np.asarray(decoded[:, BAND_PART], np.float64) * spread + center
    others = np.arange(len(BANDS)) != ANCHOR_COLUMN
    return magnitudes + np.where(others, g[:, None], 0.0)


def _rows(catalog: Catalog) -> NDArray[np.int64]:
    """Return the catalog rows with G, (M,)."""
    name = _found(catalog, BANDS[ANCHOR_COLUMN].columns)
    if not name:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.isfinite(catalog.frame[name].to_numpy(float))).astype(np.int64)


def _found(catalog: Catalog, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in catalog.frame), "")


def _read(catalog: Catalog, names: tuple[str, ...], rows: NDArray[np.int64]) -> Wide:
    """Return a catalog column at rows (M,), NaN where there is none."""
    name = _found(catalog, names)
    if not name:
        return np.full(len(rows), np.nan)
    return catalog.frame[name].to_numpy(np.float64)[rows]


def _values(product: Product, catalog: Catalog, rows: NDArray[np.int64]) -> tuple[Wide, Wide]:
    """Return values and errors (M, C) before standardising: colours, c / F_G, G and extras."""
    assert isinstance(product, XpCoefficients)  # noqa: S101 - the registry pairs them
    values = np.full((len(rows), len(COLUMNS)), np.nan)
    errors = np.full_like(values, np.nan)
    for place, column in enumerate(COLUMNS):
        if column.role != "xp":
            values[:, place] = _read(catalog, column.columns, rows)
            errors[:, place] = _read(catalog, column.error_columns, rows)
    g = values[:, ANCHOR_COLUMN].copy()
    others = np.arange(len(BANDS)) != ANCHOR_COLUMN
    values[:, BAND_PART] -= np.where(others, g[:, None], 0.0)
    into, items = _with_xp(product, rows)
    flux = load_release().g_flux(g[into])[:, None]
    values[into, XP_PART] = product.values[items] / flux
    errors[into, XP_PART] = product.errors[items] / flux
    return values, errors


def _with_xp(
    product: XpCoefficients, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the rows have whole XP spectra: places in `rows`, items of the product."""
    _, into, items = np.intersect1d(rows, product.rows, return_indices=True)
    whole = np.isfinite(product.values[items]).all(axis=1)
    return into[whole], items[whole]


def synthetic_colors(product: Product, catalog: Catalog, rows: NDArray[np.int64]) -> Wide:
    """Return synthetic band - G (G: synthetic G) of XP spectra, (M, B); NaN without XP."""
    assert isinstance(product, XpCoefficients)  # noqa: S101 - the registry pairs them
    made = np.full((len(rows), len(BANDS)), np.nan)
    photometry = load_photometry()
    into, items = _with_xp(product, rows)
    magnitudes = photometry.magnitudes(product.values[items])
    g = _read(catalog, BANDS[ANCHOR_COLUMN].columns, rows)[into]
    for place, band in enumerate(photometry.bands):
        column = NAMES.index(band)
        made[into, column] = magnitudes[:, place] - (0.0 if band == ANCHOR else g)
    return made


def _labels(catalog: Catalog, rows: NDArray[np.int64]) -> Wide:
    """Return labels (M, L) as they are learned: logarithms where the registry says so."""
    columns = []
    for label in LABELS:
        values = _read(catalog, (label.name,), rows)
        if label.log:
            values = np.log10(np.where(values > 0, values, np.nan))
        columns.append(values)
    return np.column_stack(columns)


def physical_labels(standardised: NDArray, constants: Constants) -> Wide:
    """Return labels (M, L, ...) in their units from what the network gives."""
    shape = (1, -1, *[1] * (standardised.ndim - 2))
    spread, center = (constants[f"label_{n}"].reshape(shape) for n in ("spread", "center"))
    values = np.asarray(standardised, np.float64) * spread + center
    for place, label in enumerate(LABELS):
        if label.log:
            values[:, place] = 10.0 ** values[:, place]
    return values


def _median(values: Wide) -> Wide:
    """Return the median of each column, NaN for one without values."""
    known = np.isfinite(values).any(axis=0)
    out = np.full(values.shape[1], np.nan)
    out[known] = np.nanmedian(values[:, known], axis=0)
    return out


def _robust(values: Wide) -> tuple[Wide, Wide]:
    """Return median and half the 16-84 range of each column; 0 and 1 for one without values."""
    known = np.isfinite(values).any(axis=0)
    center, spread = np.zeros(values.shape[1]), np.ones(values.shape[1])
    if known.any():
        low, middle, high = np.nanpercentile(values[:, known], (16, 50, 84), axis=0)
        center[known], half = middle, (high - low) / 2
        spread[known] = np.where(half > 0, half, 1.0)
    return center, spread


def _tame(x: Wide) -> NDArray[np.float32]:
    return np.clip(np.nan_to_num(x), -FURTHEST, FURTHEST).astype(np.float32)
