"""Probes: what simple readers get out of latents that they did not help to make.

Predictions are always for rows that the probe was not fitted on. Every function takes arrays and
returns arrays; who was asked, and on which data, is for the section that calls it to say.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.similarity import Scaling, nearest_neighbors

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
NEIGHBORS = 10
KNN_FOLDS = 5
LINEAR_FOLDS = 3
HIDDEN = (64, 64)


@dataclass(frozen=True)
class Classified:
    """Truth and out-of-fold answer of M rows as codes into `names`, and each row's fold."""

    names: tuple[str, ...]
    truth: NDArray[np.int64]
    answer: NDArray[np.int64]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """How many rows of class i were called j, (C, C)."""
        size = len(self.names)
        cells = np.bincount(self.truth * size + self.answer, minlength=size * size)
        return np.asarray(cells.reshape(size, size), np.int64)

    @property
    def accuracy(self) -> float:
        """Share of rows that were called what they are."""
        return float((self.truth == self.answer).mean())

    def per_class(self) -> dict[str, Floats]:
        """Precision, recall and F1 of each class, (C,); 0 where nothing was so called."""
        cells = self.confusion.astype(np.float64)
        hits, asked, answered = np.diag(cells), cells.sum(axis=1), cells.sum(axis=0)
        return {
            "precision": hits / np.maximum(answered, 1),
            "recall": hits / np.maximum(asked, 1),
            "f1": 2 * hits / np.maximum(asked + answered, 1),
        }

    @property
    def macro_f1(self) -> float:
        """Mean F1 of all classes, each weighing the same."""
        return float(self.per_class()["f1"].mean())

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of all classes, each weighing the same."""
        return float(self.per_class()["recall"].mean())


@contextmanager
def unconverged_is_fine() -> Iterator[None]:
    """A probe that stops at its iteration limit is still a probe; its figures show how good."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def coded(labels: NDArray[np.object_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return class names in alphabetical order and each row's code, (M,)."""
    names, codes = np.unique(labels.astype(str), return_inverse=True)
    return tuple(str(n) for n in names), np.asarray(codes, np.int64)


def stratified(codes: NDArray[np.int64], folds: int) -> list[Fold]:
    """Split rows into shuffled stratified folds of seed 0, as the published figures were."""
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(folds, shuffle=True, random_state=0)
    return [(fit, ask) for fit, ask in splitter.split(np.zeros(len(codes)), codes)]


def classify(
    x: NDArray[np.floating],
    labels: NDArray[np.object_],
    answer: Callable[[Floats, NDArray[np.int64], Floats], NDArray[np.int64]],
    folds: int,
) -> Classified:
    """Ask for every row's class out of fold; x (M, K) is z-scored on the rows that are fitted."""
    names, codes = coded(labels)
    said = np.empty_like(codes)
    for fit, ask in stratified(codes, folds):
        scaling = Scaling.fit(x[fit])
        said[ask] = answer(scaling.apply(x[fit]), codes[fit], scaling.apply(x[ask]))
    return Classified(names, codes, said)


def knn_classes(x: NDArray[np.floating], labels: NDArray[np.object_]) -> Classified:
    """Classify by the vote of 10 neighbors, 5 folds; ties go to the first class by name.

    The recipe of huijse-2025.md, 6.1: stratified folds of seed 0, uniform vote, z-scores fitted
    on the training folds.
    """
    return classify(x, labels, _vote, KNN_FOLDS)


def _vote(x: Floats, codes: NDArray[np.int64], asked: Floats) -> NDArray[np.int64]:
    nearest, _ = nearest_neighbors(x, NEIGHBORS, asked)
    size = int(codes.max()) + 1
    ballot = np.arange(len(asked))[:, None] * size + codes[nearest]
    votes = np.bincount(ballot.ravel(), minlength=len(asked) * size)
    return np.asarray(votes.reshape(len(asked), size).argmax(axis=1), np.int64)


def linear_classes(x: NDArray[np.floating], labels: NDArray[np.object_]) -> Classified:
    """Classify by multinomial logistic regression with balanced class weights, 3 folds.

    The recipe that gives the released confusion matrix (huijse-2025.md, 6.3).
    """
    return classify(x, labels, _logistic, LINEAR_FOLDS)


def _logistic(x: Floats, codes: NDArray[np.int64], asked: Floats) -> NDArray[np.int64]:
    from sklearn.linear_model import LogisticRegression

    probe = LogisticRegression(class_weight="balanced", max_iter=200, tol=1e-3)
    with unconverged_is_fine():
        probe.fit(x, codes)
    return np.asarray(probe.predict(asked), np.int64)


def knn_values(
    x: NDArray[np.floating], y: Floats, asked: NDArray[np.floating], *, k: int = NEIGHBORS
) -> Floats:
    """Return the mean value of the k nearest rows for each row that is asked, (L, ...)."""
    scaling = Scaling.fit(x)
    nearest, _ = nearest_neighbors(scaling.apply(x), k, scaling.apply(asked))
    return np.asarray(y[nearest].mean(axis=1), np.float64)


def mlp_values(
    x: NDArray[np.floating], y: Floats, asked: NDArray[np.floating], *, seed: int = 0
) -> Floats:
    """Return what a 64-64 perceptron with early stopping predicts, (L,); all standardised."""
    from sklearn.neural_network import MLPRegressor

    scaling, mean, spread = Scaling.fit(x), float(y.mean()), float(y.std()) or 1.0
    probe = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        batch_size=min(512, len(x)),
        learning_rate_init=3e-3,
        alpha=1e-3,
        early_stopping=True,
        n_iter_no_change=12,
        max_iter=150,
        random_state=seed,
    )
    with unconverged_is_fine():
        probe.fit(scaling.apply(x).astype(np.float32), (y - mean) / spread)
    predicted = probe.predict(scaling.apply(asked).astype(np.float32))
    return np.asarray(predicted, np.float64) * spread + mean


def boosted_answers(
    x: NDArray[np.floating], high: NDArray[np.bool_], asked: NDArray[np.floating], *, seed: int
) -> NDArray[np.bool_]:
    """Return yes or no of gradient boosted trees with balanced classes, (L,)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees: Any = HistGradientBoostingClassifier(
        class_weight="balanced",
        learning_rate=0.15,
        max_iter=80,
        max_bins=63,
        early_stopping=True,
        random_state=seed,
    )
    return np.asarray(trees.fit(x, high).predict(asked), bool)


def regression_scores(truth: Floats, predicted: Floats) -> dict[str, float]:
    """Return MAE, RMSE, R^2 and bias (predicted minus true)."""
    residual = predicted - truth
    about_mean = float(((truth - truth.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(residual).mean()),
        "rmse": float(np.sqrt((residual**2).mean())),
        "r2": float(1 - (residual**2).sum() / about_mean) if about_mean else float("nan"),
        "bias": float(residual.mean()),
    }


def bootstrap_interval(
    measure: Callable[[NDArray[np.int64]], float], count: int, *, draws: int = 200, seed: int = 0
) -> tuple[float, float]:
    """Return the central 95 % of a figure over bootstrap samples of its rows."""
    rng = np.random.default_rng(seed)
    values: Sequence[float] = [measure(rng.integers(0, count, count)) for _ in range(draws)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
