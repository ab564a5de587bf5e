"""Can a classifier tell simulated sources from real ones? The AUC says how well.

0.5 is guessing, 1 is always right. Pairs are matched first, so that magnitude and colour, which
the mixture of classes sets, tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NEIGHBOURS = 64


def matched_pairs(
    real: Floats, ours: Floats, reach: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair rows of `real` (N, K) with the nearest free rows of `ours` (M, K); row numbers.

    `reach` (K,) is how far apart a pair may be in each column. Rows that find no free partner
    among their nearest are left out; no row is used twice.
    """
    from scipy.spatial import cKDTree

    scale = np.asarray(reach, float)
    near = min(_NEIGHBOURS, len(ours))
    found = cKDTree(ours / scale).query(real / scale, k=np.arange(1, near + 1), p=np.inf)
    distance, place = np.asarray(found[0]), np.asarray(found[1])
    free = np.ones(len(ours), bool)
    left, right = [], []
    # rows whose partners are far come first: the others have more to choose from
    for row in np.argsort(-distance[:, -1], kind="stable"):
        choice = place[row][(distance[row] <= 1.0) & free[place[row].clip(max=len(ours) - 1)]]
        if len(choice):
            free[choice[0]] = False
            left.append(int(row))
            right.append(int(choice[0]))
    return np.array(left, np.int64), np.array(right, np.int64)


def telling_auc(real: Floats, ours: Floats, seed: int = 0, folds: int = 5) -> float:
    """Out-of-fold area under the ROC curve of gradient boosting on two tables (N, K), (M, K)."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    columns = np.vstack([real, ours])
    is_ours = np.repeat([0, 1], [len(real), len(ours)])
    score = np.empty(len(columns))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(
        columns, is_ours
    ):
        model = HistGradientBoostingClassifier(max_iter=150, early_stopping=False, random_state=0)
        model.fit(columns[train], is_ours[train])
        score[test] = model.predict_proba(columns[test])[:, 1]
    return float(roc_auc_score(is_ours, score))


def telling_columns(real: Floats, ours: Floats) -> Floats:
    """AUC of every column alone, (K,), folded to at least 0.5: which of them give it away."""
    from scipy.stats import rankdata

    ranks = rankdata(np.vstack([real, ours]), axis=0)[len(real) :]
    area = (ranks.mean(axis=0) - 0.5 * (len(ours) + 1)) / len(real)
    return np.asarray(np.maximum(area, 1.0 - area))
