"""Figures that say how far a space can be trusted; each says on how many sources it rests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.similarity import nearest_neighbors

NEIGHBORS = 10
FOLDS = 5
SMALLEST_CLASS = 10


def reconstruction_chi(
    x: NDArray[np.floating],
    error: NDArray[np.floating],
    mask: NDArray[np.bool_],
    mean: NDArray[np.floating],
    scatter: NDArray[np.floating],
) -> dict[str, NDArray[np.float64]]:
    """Return each row's sqrt(mean(residual^2 / sigma^2)), (M,): by errors, and with scatter.

    Residuals are data minus decoded mean over valid points; all arrays are (M, P). A row without
    a valid point gives NaN.
    """
    return {
        "errors": row_chi(x, error, mask, mean, np.zeros_like(scatter)),
        "with_scatter": row_chi(x, error, mask, mean, scatter),
    }


def row_chi(
    x: NDArray[np.floating],
    error: NDArray[np.floating],
    mask: NDArray[np.bool_],
    mean: NDArray[np.floating],
    scatter: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return each row's sqrt(mean(residual^2 / (error^2 + scatter^2))), (M,).

    Points that are not valid count nothing; a variance of 0 counts as 1.
    """
    squared = np.where(mask, (np.asarray(x, np.float64) - mean) ** 2, 0.0)
    variance = np.asarray(error, np.float64) ** 2 + scatter**2
    count = np.where(mask.any(axis=1), mask.sum(axis=1), np.nan)
    squared /= np.where(mask & (variance > 0), variance, 1.0)
    return np.asarray(np.sqrt(squared.sum(axis=1) / count))


def chi_by_coefficient(
    x: NDArray[np.floating],
    error: NDArray[np.floating],
    mean: NDArray[np.floating],
    scatter: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Return sqrt(mean over sources of (x - mean)^2 / sigma^2) of each coefficient, (P,).

    All are (M, P). sigma^2 is error^2, and error^2 + scatter^2 where scatter is given; 1 is a
    model that is as good as the data. Residuals and errors share one unit and each is divided by
    its own sigma (scatter-vae-2024.md, 4.1, says what happens otherwise).
    """
    variance = np.asarray(error, np.float64) ** 2
    if scatter is not None:
        variance = variance + np.asarray(scatter, np.float64) ** 2
    squared = (np.asarray(x, np.float64) - mean) ** 2 / variance
    return np.asarray(np.sqrt(squared.mean(axis=0)))


def quantiles(values: NDArray[np.floating]) -> dict[str, float | int | None]:
    """Return 16, 50, 84 % and the number of finite values; None where there are none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"p16": None, "p50": None, "p84": None, "sources": 0}
    low, middle, high = (float(q) for q in np.percentile(finite, [16, 50, 84]))
    return {"p16": low, "p50": middle, "p84": high, "sources": len(finite)}


def fold_neighbors(z: NDArray[np.floating], *, seed: int = 0) -> NDArray[np.int64] | None:
    """Return each row's 10 nearest rows of the other folds, (M, 10); None for too few rows.

    Five shuffled folds: a row is judged by rows that share no fold with it. One search serves
    every label and every number of the same rows.
    """
    from sklearn.model_selection import KFold

    if len(z) < FOLDS * NEIGHBORS:
        return None
    nearest = np.empty((len(z), NEIGHBORS), np.int64)
    for others, fold in KFold(FOLDS, shuffle=True, random_state=seed).split(z):
        found, _ = nearest_neighbors(z[others], NEIGHBORS, z[fold])
        nearest[fold] = others[found]
    return nearest


def common_classes(labels: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Return where a label is known and its class has at least SMALLEST_CLASS sources, (M,)."""
    known = np.array([isinstance(label, str) and label != "" for label in labels], bool)
    _, codes, counts = np.unique(
        np.where(known, labels, "").astype(str), return_inverse=True, return_counts=True
    )
    return known & (counts[codes] >= SMALLEST_CLASS)


def label_agreement(
    nearest: NDArray[np.int64], labels: NDArray[np.object_]
) -> dict[str, Any] | None:
    """Return how often the vote of 10 latent neighbors gives a source's own class, in percent.

    Uniform vote, ties to the first class in alphabetical order, as in the published figures
    (huijse-2025.md, 6.1). None where there is only one class.
    """
    names, truth = np.unique(labels.astype(str), return_inverse=True)
    if len(names) < 2:
        return None
    ballot = np.arange(len(truth))[:, None] * len(names) + truth[nearest]
    votes = np.bincount(ballot.ravel(), minlength=len(truth) * len(names))
    said = votes.reshape(len(truth), len(names)).argmax(axis=1)
    hits, asked, answered = (
        np.bincount(codes, minlength=len(names)) for codes in (truth[said == truth], truth, said)
    )
    f1 = 2 * hits / np.maximum(asked + answered, 1)
    return {
        "accuracy_percent": 100 * float((said == truth).mean()),
        "macro_f1_percent": 100 * float(f1.mean()),
        "neighbors": NEIGHBORS,
        "folds": FOLDS,
        "sources": len(truth),
        "recall_percent": {
            str(name): 100 * float(h / n) for name, h, n in zip(names, hits, asked, strict=True)
        },
    }


def value_agreement(
    nearest: NDArray[np.int64], truth: NDArray[np.floating]
) -> dict[str, Any] | None:
    """Return how well the mean of 10 latent neighbors gives a source's number: MAE, RMSE, R^2."""
    truth = np.asarray(truth, np.float64)
    if np.ptp(truth) == 0:
        return None
    residual = truth[nearest].mean(axis=1) - truth
    return {
        "mae": float(np.abs(residual).mean()),
        "rmse": float(np.sqrt((residual**2).mean())),
        "r2": float(1 - (residual**2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "neighbors": NEIGHBORS,
        "folds": FOLDS,
        "sources": len(truth),
    }


def flux_residuals(
    flux: NDArray[np.floating],
    decoded: NDArray[np.floating],
    wavelength_nm: NDArray[np.floating],
    ranges: Mapping[str, tuple[float, float]],
) -> dict[str, float]:
    """Return the median |decoded / observed - 1| in percent within named wavelength ranges."""
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(decoded / flux - 1)
    return {
        name: 100
        * float(np.nanmedian(relative[:, (wavelength_nm >= low) & (wavelength_nm <= high)]))
        for name, (low, high) in ranges.items()
    }
