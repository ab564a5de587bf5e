"""Figures that say how far a space can be trusted; each says on how many sources it rests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.similarity import nearest_neighbors

NEIGHBORS = 10
FOLDS = 5
MAP_NEIGHBORS = 15
SAMPLE = 2000
SMALLEST_CLASS = 10


def reconstruction_chi(
    x: NDArray[np.floating],
    error: NDArray[np.floating],
    mask: NDArray[np.bool_],
    mean: NDArray[np.floating],
    scatter: NDArray[np.floating],
) -> dict[str, NDArray[np.float64]]:
    """Return each row's sqrt(mean(residual^2 / sigma^2)), (M,): by errors, and with scatter.

    Residuals are data minus decoded mean over valid points; all arrays are (M, P).
    """
    squared = np.where(mask, (np.asarray(x, np.float64) - mean) ** 2, 0.0)
    measured = np.asarray(error, np.float64) ** 2
    count = np.maximum(mask.sum(axis=1), 1)
    result = {}
    for name, variance in (("errors", measured), ("with_scatter", measured + scatter**2)):
        safe = np.where(mask & (variance > 0), variance, 1.0)
        result[name] = np.sqrt((squared / safe).sum(axis=1) / count)
    return result


def quantiles(values: NDArray[np.floating]) -> dict[str, float | int | None]:
    """Return 16, 50, 84 % and the number of finite values; None where there are none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"p16": None, "p50": None, "p84": None, "sources": 0}
    low, middle, high = (float(q) for q in np.percentile(finite, [16, 50, 84]))
    return {"p16": low, "p50": middle, "p84": high, "sources": len(finite)}


def label_agreement(
    z: NDArray[np.floating], labels: NDArray[np.object_], *, seed: int = 0
) -> dict[str, Any] | None:
    """Return k-nearest-neighbor class agreement, k = 10 and 5-fold stratified, in percent.

    Uniform vote in the z-scored latents, as in the published figures (huijse-2025.md, 6.1).
    Classes below SMALLEST_CLASS sources are left out and counted. None where fewer than two
    classes remain.
    """
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    kept = counts[codes] >= SMALLEST_CLASS
    if len(np.unique(codes[kept])) < 2:
        return None
    truth = codes[kept]
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(NEIGHBORS))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    said = cross_val_predict(model, z[kept], truth, cv=folds)
    return {
        "accuracy_percent": 100 * float((said == truth).mean()),
        "macro_f1_percent": 100 * float(f1_score(truth, said, average="macro")),
        "neighbors": NEIGHBORS,
        "folds": FOLDS,
        "sources": int(kept.sum()),
        "left_out": int((~kept).sum()),
        "recall_percent": {
            str(names[c]): 100 * float((said[truth == c] == c).mean()) for c in np.unique(truth)
        },
    }


def value_agreement(
    z: NDArray[np.floating], values: NDArray[np.floating], *, seed: int = 0
) -> dict[str, Any] | None:
    """Return how well the mean of 10 latent neighbors predicts a number, 5-fold."""
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.neighbors import KNeighborsRegressor

    known = np.isfinite(values)
    if known.sum() < FOLDS * NEIGHBORS or np.ptp(values[known]) == 0:
        return None
    truth = np.asarray(values[known], np.float64)
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    said = cross_val_predict(KNeighborsRegressor(NEIGHBORS), z[known], truth, cv=folds)
    return {
        "mae": float(np.abs(said - truth).mean()),
        "rmse": float(np.sqrt(((said - truth) ** 2).mean())),
        "r2": float(1 - ((said - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "neighbors": NEIGHBORS,
        "folds": FOLDS,
        "sources": int(known.sum()),
    }


def map_quality(
    z: NDArray[np.floating], coordinates: NDArray[np.floating], *, seed: int = 0
) -> dict[str, Any]:
    """Return how many true neighbors a map keeps: of the 15 nearest in z, the share on the map.

    Measured for up to SAMPLE random rows against all rows; a random map scores about k / N.
    Trustworthiness (Venna & Kaski 2001) is measured within an equal sample of rows.
    """
    from sklearn.manifold import trustworthiness

    rng = np.random.default_rng(seed)
    asked = rng.choice(len(z), min(SAMPLE, len(z)), replace=False)
    k = min(MAP_NEIGHBORS, max(1, len(z) // 2 - 1))
    true, _ = nearest_neighbors(z, k + 1, z[asked])
    drawn, _ = nearest_neighbors(coordinates, k + 1, coordinates[asked])
    kept = [
        len(np.intersect1d(a[a != row], b[b != row]))
        for row, a, b in zip(asked, true, drawn, strict=True)
    ]
    quality: dict[str, Any] = {
        "neighbors_kept": float(np.mean(kept)) / k,
        "neighbors": k,
        "asked": len(asked),
        "sources": len(z),
    }
    if len(asked) > 2 * k + 2:
        quality["trustworthiness_in_sample"] = float(
            trustworthiness(z[asked], coordinates[asked], n_neighbors=k)
        )
    return quality


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
