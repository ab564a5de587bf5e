"""Section: which sources lie alone in latent space, and along what."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.report.content import Context, Features, Plot, Section, Table, sample
from latent_core.report.planted import planted_table, ranked
from latent_core.report.plots import ACCENT, drawn
from latent_core.similarity import Scaling, nearest_neighbors
from latent_core.truth import load_truth

NEIGHBORS = 10
LISTED = 20
LARGEST = 50_000
REASONS = 2


def isolation(z: NDArray[np.floating], k: int = NEIGHBORS) -> NDArray[np.float64]:
    """Return each row's mean distance to its k nearest other rows in z (M, K), (M,)."""
    _, distance = nearest_neighbors(z, min(k + 1, len(z)))
    return np.asarray(distance[:, 1:].mean(axis=1), np.float64)


def outliers(context: Context) -> Section | None:
    """List the most isolated sources of every space with their reasons."""
    figures: dict[str, Any] = {}
    tables, scores = [], {}
    truth = load_truth(context.folder)
    for features in context.spaces:
        if len(features.rows) <= NEIGHBORS:
            continue
        context.say(f"outliers: {features.name}")
        part = sample(len(features.rows), LARGEST)
        z = Scaling.fit(features.x[part]).apply(features.x[part])
        score = isolation(z)
        scores[features.name] = score
        found = _listed(context, features, part, z, score)
        figures[features.name] = {
            "sources": len(part),
            "of": len(features.rows),
            "median": float(np.median(score)),
            "p99": float(np.percentile(score, 99)),
            "most_outlying": found,
        }
        tables.append(_table(features.name, found))
        planted = None if truth is None else ranked(truth, features.rows[part], score)
        if planted:
            figures[features.name]["planted"] = planted
            tables.append(planted_table(features.name, planted))
    if not figures:
        return None
    first, about = next(iter(figures.items()))
    top = about["most_outlying"][0]
    return Section(
        "outliers",
        "Outliers",
        f"The most isolated source of {first} is {top['source_id']}: "
        f"{top['score'] / about['median']:.1f} times as far from its neighbors as the median "
        f"source; {top['reason']}.",
        f"{context.data}; score: mean distance to the {NEIGHBORS} nearest sources in z-scored "
        f"latents, among all sources of a space (at most {LARGEST:,}, seeded). No split. An "
        "isolated source is rare or badly measured; the score does not tell which.",
        {"spaces": figures},
        tuple(tables),
        (Plot("How isolated sources are", _picture(scores)),),
    )


def _listed(
    context: Context,
    features: Features,
    part: NDArray[np.int64],
    z: NDArray[np.floating],
    score: NDArray[np.float64],
) -> list[dict[str, Any]]:
    names = context.folder.json(f"spaces/{features.name}/space.json")["latent_names"]
    magnitude = context.magnitude()
    ids = context.catalog.source_id
    found = []
    for place in np.argsort(-score, kind="stable")[:LISTED]:
        row = int(features.rows[part[place]])
        g = None if magnitude is None or not np.isfinite(magnitude[row]) else magnitude[row]
        found.append(
            {
                "source_id": str(ids[row]),
                "score": float(score[place]),
                "g": None if g is None else float(g),
                "reason": _reason(names, z[place]),
            }
        )
    return found


def _reason(names: list[str], z: NDArray[np.floating]) -> str:
    """Say along which latents a source is farthest from the mean."""
    far = np.argsort(-np.abs(z))[:REASONS]
    return "farthest along " + ", ".join(f"{names[i]} ({z[i]:+.1f} sd)" for i in far)


def _table(name: str, found: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            f["source_id"],
            f"{f['score']:.2f}",
            "-" if f["g"] is None else f"{f['g']:.2f}",
            f["reason"],
        )
        for f in found
    )
    title = f"The {len(rows)} most isolated sources of {name}"
    return Table(title, ("source_id", "score", "G [mag]", "why"), rows, folded=True)


def _picture(scores: dict[str, NDArray[np.float64]]) -> str:
    def draw(axes: list[Any]) -> None:
        for ax, (name, values) in zip(axes, scores.items(), strict=True):
            edges = np.linspace(0, max(float(np.percentile(values, 99.9)), 1e-6), 80)
            ax.hist(np.minimum(values, edges[-1]), edges, color=ACCENT)
            ax.set_yscale("log")
            ax.set_title(name.replace("$", r"\$"))
            ax.set(xlabel="mean distance to 10 neighbors", ylabel="sources")

    return drawn(draw, panels=len(scores), width=4.2, height=2.6)
