"""Section: do latents know the alpha sequence of a giant, beyond what its labels imply?

The experiment of Laroche & Speagle 2024 done again (scatter-vae-2024.md, 4.3): columns stacked
star by star, balanced accuracy with its majority line, latents that carry something, the same
gradient boosting for latents and for true labels, held-out stars, several seeds, and pairs of
stars that are alike in the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.report.anchors import anchors_of
from latent_core.report.classification import published_table
from latent_core.report.content import Context, Plot, Section, Table
from latent_core.report.plots import interval_plot
from latent_core.report.probes import Floats, boosted_answers
from latent_core.report.regression import raw_features
from latent_core.training import TEST

COLUMN = "alpha_sequence"
HIGH, LOW = "high-alpha", "low-alpha"
COLD_TEFF = 5000.0
SEEDS = (0, 1, 2, 3, 4)
DRAWS = 100
MOST_FEATURES = 40  # trees on raw coefficients take a minute a seed
FEWEST = 50
BASELINES: Mapping[str, tuple[str, ...]] = {
    "[Fe/H]": ("fe_h",),
    "[Fe/H], Teff, log g": ("fe_h", "teff", "logg"),
    "[Fe/H], Teff, log g, J-H, J-K": ("fe_h", "teff", "logg", "j-h", "j-k"),
}
# How alike the stars of a pair must be: [Fe/H] in dex; and Teff in K, log g in dex as well
PAIRS: Mapping[str, Mapping[str, float]] = {
    "pairs alike in [Fe/H] (0.02 dex)": {"fe_h": 0.02},
    "pairs alike in [Fe/H], Teff, log g (0.05 dex, 75 K, 0.15 dex)": {
        "fe_h": 0.05,
        "teff": 75.0,
        "logg": 0.15,
    },
}


def alpha(context: Context) -> Section | None:
    """Tell high- from low-alpha giants by latents and by labels; None without such a column."""
    if COLUMN not in context.catalog.frame:
        return None
    said = context.catalog.frame[COLUMN].astype(object).to_numpy()
    sets = _feature_sets(context)
    known = np.isin(said, sorted({HIGH, LOW}))
    for x in sets.values():
        known &= np.isfinite(x).all(axis=1)
    high = said == HIGH
    held_out = context.side == TEST
    fit, ask = np.flatnonzero(known & ~held_out), np.flatnonzero(known & held_out)
    if min(_smaller(high[fit]), _smaller(high[ask])) < FEWEST or not _has_latents(context):
        return None
    groups = _populations(context, high, ask)
    figures: dict[str, Any] = {}
    for name, x in sets.items():
        context.say(f"alpha sequence: {name}")
        seeds = SEEDS if x.shape[1] <= MOST_FEATURES else SEEDS[:1]
        answers = seeded_answers(x[fit], high[fit], x[ask], seeds)
        figures[name] = {
            group: balanced(high[ask][chosen], answers[:, chosen])
            for group, chosen in groups.items()
        }
    counts = {g: {"sources": len(c), "high": int(high[ask][c].sum())} for g, c in groups.items()}
    return _section(context, figures, counts, len(fit))


def _smaller(high: NDArray[np.bool_]) -> int:
    return int(min(high.sum(), (~high).sum()))


def _has_latents(context: Context) -> bool:
    return any(f.live.any() for f in context.latents)


def _feature_sets(context: Context) -> dict[str, Floats]:
    """Return numbers of all sources by name, (N, K), NaN where a source lacks them."""
    sets = {}
    for features in (*context.latents, *raw_features(context)):
        live = features.live if features.kind != "raw" else np.ones(features.x.shape[1], bool)
        if not live.any():
            continue
        spread = np.full((len(context.catalog), int(live.sum())), np.nan)
        spread[features.rows] = features.x[:, live]
        dead = int((~live).sum())
        without = f", {dead} dead left out" if dead else ""
        kind = "coefficients" if features.kind == "raw" else "latents"
        sets[f"{features.name}: {int(live.sum())} {kind}{without}"] = spread
    for name, columns in BASELINES.items():
        stacked = [_column(context, column) for column in columns]
        if all(values is not None for values in stacked):
            sets[f"labels {name}"] = np.column_stack([v for v in stacked if v is not None])
    return sets


def _column(context: Context, name: str) -> Floats | None:
    """One column of the catalog, or the difference of two magnitudes `a-b`, (N,)."""
    parts = name.split("-")
    if not set(parts) <= set(context.catalog.frame):
        return None
    first, *second = (context.values(part) for part in parts)
    return first - second[0] if second else first


def _populations(
    context: Context, high: NDArray[np.bool_], ask: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """Name which of the held-out stars are asked: positions in `ask`."""
    groups = {"all": np.arange(len(ask))}
    if "teff" in context.catalog.frame:
        cold = context.values("teff")[ask] < COLD_TEFF
        groups[f"Teff < {COLD_TEFF:.0f} K"] = np.flatnonzero(cold)
        groups[f"Teff >= {COLD_TEFF:.0f} K"] = np.flatnonzero(~cold)
    for name, limits in PAIRS.items():
        if set(limits) <= set(context.catalog.frame):
            values = np.column_stack([context.values(c)[ask] for c in limits])
            groups[name] = matched(values / np.array(list(limits.values())), high[ask])
    return {n: g for n, g in groups.items() if len(g) and _smaller(high[ask][g]) >= FEWEST // 2}


def matched(scaled: Floats, high: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return rows of disjoint pairs, one high and one low, within 1 in every column.

    Each high-alpha star takes the nearest low-alpha star that is still free, in a seeded order.
    """
    from scipy.spatial import KDTree

    highs, lows = np.flatnonzero(high), np.flatnonzero(~high)
    tree, free = KDTree(scaled[lows]), np.ones(len(lows), bool)
    pairs: list[int] = []
    for row in np.random.default_rng(0).permutation(highs):
        near = np.asarray(tree.query_ball_point(scaled[row], 1.0, p=np.inf), np.int64)
        near = near[free[near]]
        if len(near):
            gap = ((scaled[lows[near]] - scaled[row]) ** 2).sum(axis=1)
            chosen = near[int(np.argmin(gap))]
            free[chosen] = False
            pairs += [int(row), int(lows[chosen])]
    return np.sort(np.array(pairs, np.int64))


def seeded_answers(
    x: Floats, high: NDArray[np.bool_], asked: Floats, seeds: tuple[int, ...] = SEEDS
) -> NDArray[np.bool_]:
    """Return the answers of one classifier a seed, (S, L), each fitted on a random four fifths."""
    answers = []
    for seed in seeds:
        part = np.random.default_rng(seed).permutation(len(x))[: int(0.8 * len(x))]
        answers.append(boosted_answers(x[part], high[part], asked, seed=seed))
    return np.array(answers)


def balanced(high: NDArray[np.bool_], answers: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the balanced accuracy of answers (S, L), its mean over seeds and its interval.

    The interval is the central 95 % over bootstrap samples of the stars, of every seed's answers:
    both the choice of stars to learn from and of stars to ask are in it.
    """
    right = answers == high
    rng = np.random.default_rng(0)
    values = []
    for row in right:
        for _ in range(DRAWS):
            part = rng.integers(0, len(high), len(high))
            values.append(_balanced(row[part], high[part]))
    low, top = np.nanpercentile(values, [2.5, 97.5])
    by_seed = [_balanced(row, high) for row in right]
    return {
        "balanced_accuracy": float(np.mean(by_seed)),
        "interval_95_percent": [float(low), float(top)],
        "by_seed": by_seed,
        "recall_high": float(right[:, high].mean()),
        "recall_low": float(right[:, ~high].mean()),
        "sources": len(high),
    }


def _balanced(right: NDArray[np.bool_], high: NDArray[np.bool_]) -> float:
    return float((right[high].mean() + right[~high].mean()) / 2)


def _section(
    context: Context, figures: dict[str, Any], counts: dict[str, Any], fitted: int
) -> Section:
    rows = tuple(
        (
            name,
            group,
            f"{found['sources']:,}",
            f"{found['balanced_accuracy']:.3f}",
            "{:.3f} to {:.3f}".format(*found["interval_95_percent"]),
            f"{found['recall_high']:.3f}",
            f"{found['recall_low']:.3f}",
        )
        for name, groups in figures.items()
        for group, found in groups.items()
    )
    header = (
        *("features", "stars", "held-out sources", "balanced accuracy", "95 % interval"),
        *("recall high", "recall low"),
    )
    marks = [
        (
            name,
            {g: (f["balanced_accuracy"], *f["interval_95_percent"]) for g, f in groups.items()},
        )
        for name, groups in figures.items()
    ]
    everything = counts["all"]
    return Section(
        "alpha",
        "Alpha sequences",
        _reading(figures),
        f"{context.data}. {context.label_sight} "
        f"Giants with a known alpha sequence and finite labels: {fitted:,} of the "
        f"training and validation splits to learn from (a random 80 % for each of {len(SEEDS)} "
        f"seeds; one seed for raw coefficients), {everything['sources']:,} of the held-out split "
        f"asked ({everything['high']:,} high-alpha). One source is one row, so no star stands on "
        "both sides. Gradient boosted trees, balanced classes, for every set of features; always "
        "naming one class scores 0.5. Label baselines use the catalog's own labels, which define "
        "the sequence, but not [alpha/M].",
        {"features": figures, "asked": counts, "fitted_on": fitted,
         "published": anchors_of("alpha")},
        (Table("Balanced accuracy", header, rows), published_table("alpha")),
        (
            Plot(
                "Balanced accuracy by features and stars",
                interval_plot(marks, "balanced accuracy", (0.5, "always one class")),
                "Bars: 95 % over seeds and bootstrap samples of the held-out stars.",
            ),
        ),
    )  # fmt: skip


def _reading(figures: dict[str, Any]) -> str:
    latents = max(
        (n for n in figures if ": " in n and not n.startswith("raw")),
        key=lambda n: figures[n]["all"]["balanced_accuracy"],
    )
    labels = [n for n in figures if n.startswith("labels ")]
    text = f"{latents} tell the sequences with balanced accuracy {_said(figures[latents]['all'])}"
    if labels:
        best = max(labels, key=lambda n: figures[n]["all"]["balanced_accuracy"])
        text += f"; the best label baseline ({best}) reaches {_said(figures[best]['all'])}"
        text += _among_pairs(figures, latents, best)
    return text + "."


def _among_pairs(figures: dict[str, Any], latents: str, best: str) -> str:
    paired = [group for group in figures[latents] if group.startswith("pairs")]
    if not paired:
        return ""
    ours, theirs = (_said(figures[n][paired[-1]]) for n in (latents, best))
    return f"; among {paired[-1]} latents reach {ours}, the labels {theirs}"


def _said(found: Mapping[str, Any]) -> str:
    low, high = found["interval_95_percent"]
    return f"{found['balanced_accuracy']:.3f} [{low:.3f}, {high:.3f}]"
