"""Can a classifier tell simulated from real XP spectra of equal magnitude and colour?

An area under the ROC curve (AUC) of 0.5 is a coin, 1 is never wrong. The stars of a pair stay in
one fold, so that no classifier meets the partner of a star it is asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.comparison.pairs import Pairs, coordinates, pairs_of
from latent_core.comparison.samples import Sample, Spectra
from latent_core.modalities.xp_operator import load_operator
from latent_core.release import load_release

Floats = NDArray[np.float64]
FOLDS = 5
DRAWS = 200
FEWEST_PAIRS = 100
FLUX_BINS = 43
_LEAST_ERROR = 1e-12


@dataclass(frozen=True)
class Auc:
    """How well simulated and real are told apart: `value`, its 95 % bootstrap interval, pairs."""

    value: float
    interval: tuple[float, float]
    pairs: int


def flux_scaled(spectra: Spectra, items: NDArray[np.int64], numbers: Floats) -> Floats:
    """Return numbers (M, 110) over each spectrum's synthetic G flux, both in e-/s."""
    flux = load_release().g_flux(spectra.photometry[items, 0])
    return np.asarray(numbers[items] / flux[:, None])


def coefficients(spectra: Spectra, items: NDArray[np.int64]) -> Floats:
    """Coefficients over the G flux, (M, 110)."""
    return flux_scaled(spectra, items, spectra.values)


def flux(spectra: Spectra, items: NDArray[np.int64]) -> Floats:
    """Calibrated flux over its median, in bins of 16 nm, (M, 43)."""
    sampled = spectra.values[items] @ load_operator().calibrate.T
    parts = np.array_split(np.arange(sampled.shape[1]), FLUX_BINS)
    binned = np.column_stack([sampled[:, part].mean(axis=1) for part in parts])
    return np.asarray(binned / np.median(sampled, axis=1, keepdims=True))


def log_errors(spectra: Spectra, items: NDArray[np.int64]) -> Floats:
    """log10 of errors over the G flux, (M, 110)."""
    return np.log10(np.maximum(flux_scaled(spectra, items, spectra.errors), _LEAST_ERROR))


def signal_to_noise(spectra: Spectra, items: NDArray[np.int64]) -> Floats:
    """Coefficients over their own errors, as asinh, (M, 110)."""
    return np.arcsinh(spectra.values[items] / np.maximum(spectra.errors[items], _LEAST_ERROR))


def everything(spectra: Spectra, items: NDArray[np.int64]) -> Floats:
    """Coefficients and errors over the G flux, (M, 220)."""
    return np.hstack([coefficients(spectra, items), log_errors(spectra, items)])


Feature = Callable[[Spectra, NDArray[np.int64]], Floats]
OF_VALUES: Mapping[str, Feature] = {
    "coefficients over G flux": coefficients,
    "calibrated flux in 16 nm bins": flux,
}
OF_ERRORS: Mapping[str, Feature] = {
    "errors over G flux": log_errors,
    "coefficients over their errors": signal_to_noise,
    "coefficients and errors over G flux": everything,
}


EQUALS = (("G and BP-RP", False), ("G, BP-RP, Teff, log g and [Fe/H]", True))


def told_apart(first: Sample, other: Sample) -> dict[str, Any]:
    """Return AUCs by what pairs are equal in, feature set and classifier, each with its floor.

    {} where a sample has no spectra, or too few pairs are found. Only values are compared where
    either side's coefficients are derived, for its errors are estimated.
    """
    found = {}
    for name, labels in EQUALS:
        pairs = equal_pairs(first, other, labels=labels)
        if pairs is not None:
            found[name] = _asked(first, other, pairs, labels=labels)
    return found


def equal_pairs(first: Sample, other: Sample, *, labels: bool = False) -> Pairs | None:
    """Pair spectra that are alike, those without errors left out; None for fewer than 100."""
    here, there = coordinates(first, labels=labels), coordinates(other, labels=labels)
    if here is None or there is None:
        return None
    pairs = pairs_of(_measured(here, first), _measured(there, other))
    return pairs if len(pairs) >= FEWEST_PAIRS else None


def _measured(scaled: Floats, sample: Sample) -> Floats:
    """Hide spectra of the archive that came without errors: nothing could be asked of those."""
    assert sample.spectra is not None  # noqa: S101 - they have coordinates
    return np.where(usable(sample.spectra)[:, None], scaled, np.nan)


def usable(spectra: Spectra) -> NDArray[np.bool_]:
    """Return which spectra have an error of every coefficient, (M,); estimated ones count."""
    with np.errstate(invalid="ignore"):
        good = np.isfinite(spectra.errors) & (spectra.errors > 0)
    return np.asarray(good.all(axis=1), bool)


def _asked(first: Sample, other: Sample, pairs: Pairs, *, labels: bool) -> dict[str, Any]:
    assert first.spectra is not None  # noqa: S101 - they have pairs
    assert other.spectra is not None  # noqa: S101
    derived = first.spectra.derived or other.spectra.derived
    features = OF_VALUES if derived else {**OF_VALUES, **OF_ERRORS}
    halves = _halves(other, labels=labels)
    scores: dict[str, Any] = {}
    for name, make in features.items():
        a, b = make(first.spectra, pairs.first), make(other.spectra, pairs.other)
        c, d = make(other.spectra, halves.first), make(other.spectra, halves.other)
        scores[name] = {
            kind: {
                "auc": _record(paired_auc(a, b, kind)),
                "floor": _record(paired_auc(c, d, kind)),
            }
            for kind in CLASSIFIERS
        }
    classes = first.sources["group"].to_numpy(object)[first.spectra.rows[pairs.first]]
    return {
        "pairs": len(pairs),
        "with_errors": [int(usable(s).sum()) for s in (first.spectra, other.spectra)],
        "derived": derived,
        "median_g_mag": float(np.median(other.spectra.photometry[pairs.other, 0])),
        "features": scores,
        "by_class": _by_class(first, other, pairs, classes),
    }


def _record(found: Auc | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"value": found.value, "interval_95_percent": found.interval, "pairs": found.pairs}


def _halves(other: Sample, *, labels: bool) -> Pairs:
    """Pair two random halves of the same real rows, as the two samples are paired."""
    scaled = coordinates(other, labels=labels)
    assert scaled is not None  # noqa: S101 - it has pairs
    scaled = _measured(scaled, other)
    mixed = np.random.default_rng(0).permutation(len(scaled))
    here, there = np.sort(mixed[::2]), np.sort(mixed[1::2])
    pairs = pairs_of(scaled[here], scaled[there])
    return Pairs(here[pairs.first], there[pairs.other])


def _by_class(
    first: Sample, other: Sample, pairs: Pairs, classes: NDArray[np.object_]
) -> dict[str, Any]:
    """AUC of the coefficients of pairs by the first sample's class, where there are enough."""
    assert first.spectra is not None  # noqa: S101 - they have pairs
    assert other.spectra is not None  # noqa: S101
    found = {}
    for name in sorted(set(classes[classes != None])):  # noqa: E711
        here = np.flatnonzero(classes == name)
        if len(here) >= FEWEST_PAIRS:
            a = coefficients(first.spectra, pairs.first[here])
            b = coefficients(other.spectra, pairs.other[here])
            found[str(name)] = _record(paired_auc(a, b, TREES))
    return found


TREES, LINEAR = "gradient boosted trees", "logistic regression"
CLASSIFIERS = (TREES, LINEAR)


def _classifier(kind: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import RobustScaler

    if kind == TREES:
        return HistGradientBoostingClassifier(
            max_iter=60,
            learning_rate=0.15,
            max_leaf_nodes=15,
            max_bins=63,
            early_stopping=False,
            random_state=0,
        )
    # scaled by quartiles; what lies ten of them out is cut, or it would rule the fit
    return make_pipeline(RobustScaler(), _cut(), LogisticRegression(C=0.1, max_iter=300))


def _cut() -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(np.clip, kw_args={"a_min": -10.0, "a_max": 10.0})


def paired_auc(first: Floats, other: Floats, kind: str = TREES) -> Auc | None:
    """Return the cross-validated AUC of telling rows of `first` (P, K) from `other` (P, K).

    Row i of both is a pair and stays in one fold. None for fewer than 100 pairs.
    """
    count = len(first)
    if count < FEWEST_PAIRS:
        return None
    x = np.vstack([first, other])
    is_first = np.repeat([True, False], count)
    fold = np.tile(np.random.default_rng(0).permutation(count) % FOLDS, 2)
    scores = np.empty(2 * count)
    for number in range(FOLDS):
        asked = fold == number
        model = _classifier(kind).fit(x[~asked], is_first[~asked])
        scores[asked] = _ranks(model.predict_proba(x[asked])[:, 1])
    a, b = scores[:count], scores[count:]
    rng = np.random.default_rng(0)
    drawn = (rng.integers(0, count, count) for _ in range(DRAWS))
    low, high = np.percentile([auc(a[rows], b[rows]) for rows in drawn], [2.5, 97.5])
    return Auc(auc(a, b), (float(low), float(high)), count)


def _ranks(scores: Floats) -> Floats:
    """Ranks in one fold, 0..1: each fold has a classifier of its own, with a scale of its own."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(scores) / len(scores))


def auc(first: Floats, other: Floats) -> float:
    """Return the probability that a score of `first` is above one of `other`; ties count half."""
    from scipy.stats import rankdata

    n, m = len(first), len(other)
    ranks = rankdata(np.concatenate([first, other]))[:n].sum()
    return float((ranks - n * (n + 1) / 2) / (n * m))
