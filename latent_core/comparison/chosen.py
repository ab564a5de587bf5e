"""Sources that two surveys give to an exchange: as many of each class, or alike in G and BP-RP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.comparison.marginals import MIXED, WHOLE, groups_of
from latent_core.comparison.pairs import coordinates, pairs_of
from latent_core.comparison.quantities import FEWEST_POINTS, REDSHIFT, STELLAR
from latent_core.comparison.samples import Sample
from latent_core.products import EpochPhotometry, LightCurve, Product, XpCoefficients, load_product
from latent_core.surveys.periods import find_frequency

Floats = NDArray[np.float64]
MOST_OF_A_CLASS = 400
FEWEST_OF_A_CLASS = 60
FEWEST_PAIRS = 500
G_COLUMN, FREQUENCY = "phot_g_mean_mag", "frequency"


@dataclass(frozen=True)
class Chosen:
    """Sources with one product and what is known of them; row i of all of these is one source.

    `labels` (N,) are classes, or None; `values` are named numbers (N,).
    """

    name: str
    mark: str
    catalog: Catalog
    product: Product
    labels: NDArray[np.object_] | None
    values: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.catalog)


def light_curve_sources(first: Sample, other: Sample) -> tuple[Chosen, Chosen] | None:
    """Choose equally many light curves of each common class; None for fewer than two classes.

    Frequencies are searched anew for both, in the same way: a simulated catalog knows the truth.
    """
    curves = [_curves(s) for s in (first, other)]
    groups = [g for g in groups_of(first, other) if g.name not in (MIXED, WHOLE)]
    rng = np.random.default_rng(0)
    rows: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    labels: list[str] = []
    if curves[0] is None or curves[1] is None:
        return None
    for group in groups:
        here = [
            np.intersect1d(members, _long(product))
            for members, product in zip((group.first, group.other), curves, strict=True)
            if product is not None
        ]
        count = min(MOST_OF_A_CLASS, *map(len, here))
        if count >= FEWEST_OF_A_CLASS:
            for side, members in zip(rows, here, strict=True):
                side.append(rng.choice(members, count, replace=False))
            labels += [group.name] * count
    if len(set(labels)) < 2:
        return None
    a, b = (
        _with_curves(sample, product, np.concatenate(side), np.array(labels, object))
        for sample, product, side in zip((first, other), curves, rows, strict=True)
        if product is not None
    )
    return a, b


def _curves(sample: Sample) -> EpochPhotometry | None:
    product = None if sample.survey is None else load_product(sample.survey, EpochPhotometry)
    return product if isinstance(product, EpochPhotometry) else None


def _long(curves: EpochPhotometry) -> NDArray[np.int64]:
    """Catalog rows whose light curve has enough points for a model of them."""
    lengths = np.array([len(curves.light_curve(i)) for i in range(len(curves.rows))])
    return np.asarray(curves.rows)[lengths >= 2 * FEWEST_POINTS]


def _with_curves(
    sample: Sample,
    curves: EpochPhotometry,
    rows: NDArray[np.int64],
    labels: NDArray[np.object_],
) -> Chosen:
    assert sample.survey is not None  # noqa: S101 - it has curves
    order = np.argsort(rows)
    rows, labels = rows[order], labels[order]
    items = np.searchsorted(curves.rows, rows)
    starts, stops = curves.offsets[items], curves.offsets[items + 1]
    points = np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)])
    part = EpochPhotometry(
        np.arange(len(rows)),
        np.concatenate([[0], np.cumsum(stops - starts)]).astype(np.int64),
        time=np.asarray(curves.time[points]),
        mag=np.asarray(curves.mag[points]),
        mag_error=np.asarray(curves.mag_error[points]),
        band=np.asarray(curves.band[points]),
        rejected=np.asarray(curves.rejected[points]),
        origin=curves.origin,
    )
    frame = sample.survey.catalog.frame.iloc[rows].reset_index(drop=True)
    found = [_frequency(part.light_curve(i)) for i in range(len(rows))]
    frame = frame.assign(**{FREQUENCY: found})
    return Chosen(sample.name, sample.mark, Catalog(frame), part, labels, {})


def _frequency(curve: LightCurve) -> float:
    return find_frequency(curve.time, curve.mag, curve.mag_error).frequency


def spectra_sources(first: Sample, other: Sample) -> tuple[Chosen, Chosen] | None:
    """Choose pairs of stars of equal G and BP-RP with known Teff, log g and [Fe/H]."""
    if first.spectra is None or other.spectra is None:
        return None
    known = [_known(s) for s in (first, other)]
    pairs = pairs_of(*(np.where(k[:, None], c, np.nan) for k, c in known))
    if len(pairs) < FEWEST_PAIRS:
        return None
    return _with_spectra(first, pairs.first), _with_spectra(other, pairs.other)


def _known(sample: Sample) -> tuple[NDArray[np.bool_], Floats]:
    scaled = coordinates(sample)
    assert scaled is not None  # noqa: S101
    assert sample.spectra is not None  # noqa: S101 - asked before
    labels = sample.sources[list(STELLAR)].to_numpy(np.float64)[sample.spectra.rows]
    good = np.isfinite(labels).all(axis=1)
    with np.errstate(invalid="ignore"):
        good &= (sample.spectra.errors > 0).all(axis=1)
        good &= ~(sample.sources[REDSHIFT].to_numpy(np.float64)[sample.spectra.rows] > 0)
    return good, scaled


def _with_spectra(sample: Sample, items: NDArray[np.int64]) -> Chosen:
    assert sample.spectra is not None  # noqa: S101
    assert sample.survey is not None  # noqa: S101 - it has spectra
    items = np.sort(items)
    rows = sample.spectra.rows[items]
    frame = sample.survey.catalog.frame.iloc[rows].reset_index(drop=True)
    frame = frame.assign(**{G_COLUMN: sample.spectra.photometry[items, 0]})
    product = XpCoefficients(
        np.arange(len(rows)),
        sample.spectra.values[items],
        sample.spectra.errors[items].astype(np.float32),
        sample.spectra.origin,
    )
    values = {n: sample.sources[n].to_numpy(np.float64)[rows] for n in STELLAR}
    return Chosen(sample.name, sample.mark, Catalog(frame), product, None, values)
