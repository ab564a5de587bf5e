"""How high the planted anomalies of a simulated survey rank among all sources by a score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.report.content import Table

TOP = 0.01
ALL = "all kinds"


def ranked(
    truth: pd.DataFrame, rows: NDArray[np.int64], score: NDArray[np.floating]
) -> dict[str, dict[str, float]]:
    """Measure a score of catalog rows (M,) by the anomalies of a truth table that lie among them.

    Of each kind, and of all: `sources`; `auc`, the chance that one scores higher than a source
    without an anomaly; `found_in_top`, the share of them among the TOP share of all scores, which
    is TOP by chance. Empty where none lies among the rows.
    """
    kinds = pd.Series(truth["anomaly"].to_numpy(), index=truth["row"].to_numpy())
    kind_of = kinds.reindex(rows)
    ordinary = np.sort(score[kind_of.isna().to_numpy()])
    limit = np.quantile(score, 1.0 - TOP) if len(score) else np.nan
    found = {}
    for name in (ALL, *sorted(set(kinds))):
        own = score[(kind_of.notna() if name == ALL else kind_of == name).to_numpy()]
        if not len(own) or not len(ordinary):
            continue
        below = np.searchsorted(ordinary, own, "left") + np.searchsorted(ordinary, own, "right")
        found[name] = {
            "sources": len(own),
            "auc": float(np.mean(below) / 2.0 / len(ordinary)),
            "found_in_top": float(np.mean(own > limit)),
        }
    return found


def planted_table(space: str, found: dict[str, dict[str, Any]]) -> Table:
    """Return the figures as a table for a reader."""
    rows = tuple(
        (
            name.replace("_", " "),
            f"{about['sources']:,}",
            f"{about['auc']:.2f}",
            f"{100 * about['found_in_top']:.0f} %",
        )
        for name, about in found.items()
    )
    return Table(
        f"Planted anomalies in {space}",
        ("anomaly", "sources", "AUC", f"in the top {100 * TOP:.0f} %"),
        rows,
        "These sources of the simulated survey were made wrong on purpose (truth.parquet). AUC: "
        "the chance that one of them is more isolated than a source without an anomaly; 0.5 and "
        f"{100 * TOP:.0f} % in the top are chance.",
    )
