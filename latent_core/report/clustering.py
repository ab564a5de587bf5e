"""Section: do clusters that know no label agree with the labels?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.report.classes import label_sets, labelled
from latent_core.report.content import Context, Features, Plot, Section, Table, sample
from latent_core.report.plots import bar_plot
from latent_core.similarity import Scaling

LARGEST = 6000
SMALLEST_CLUSTER = 30
CORE = 10


def clustering(context: Context) -> Section | None:
    """Cluster every space and block by HDBSCAN; adjusted mutual information with every label."""
    sets = label_sets(context.catalog)
    figures: dict[str, Any] = {}
    for features in context.latents if sets else ():
        context.say(f"clusters: {features.name}")
        part = sample(len(features.rows), LARGEST)
        if len(part) < 10 * SMALLEST_CLUSTER:
            continue
        found = clusters(features.x[part])
        figures[features.name] = {
            "sources": len(part),
            "of": len(features.rows),
            "clusters": int(found.max()) + 1,
            "noise_percent": 100 * float((found < 0).mean()),
            "agreement": {
                labels.name: agreement
                for labels in sets
                if (agreement := _agreement(features, labels.values, found, part, labels))
            },
        }
    if not figures:
        return None
    return _section(context, figures)


def clusters(x: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return each row's HDBSCAN cluster in z-scored latents, (M,), -1 for noise."""
    from sklearn.cluster import HDBSCAN

    method = HDBSCAN(min_cluster_size=SMALLEST_CLUSTER, min_samples=CORE, copy=True)
    return np.asarray(method.fit_predict(Scaling.fit(x).apply(x)), np.int64)


def _agreement(
    features: Features,
    values: NDArray[np.object_],
    found: NDArray[np.int64],
    part: NDArray[np.int64],
    labels: Any,
) -> dict[str, Any] | None:
    from sklearn.metrics import adjusted_mutual_info_score

    known = np.isin(part, labelled(features, labels))
    truth = values[features.rows[part[known]]].astype(str)
    if len(set(truth)) < 2:
        return None
    assigned = found[known] >= 0
    score = float(adjusted_mutual_info_score(truth, found[known]))
    within = float(adjusted_mutual_info_score(truth[assigned], found[known][assigned]))
    return {
        "ami": score,
        "ami_without_noise": within if assigned.any() else None,
        "sources": int(known.sum()),
    }


def _section(context: Context, figures: dict[str, Any]) -> Section:
    rows = tuple(
        (
            name,
            label,
            f"{agreement['sources']:,}",
            str(figure["clusters"]),
            f"{figure['noise_percent']:.1f}",
            f"{agreement['ami']:.3f}",
            "-"
            if agreement["ami_without_noise"] is None
            else f"{agreement['ami_without_noise']:.3f}",
        )
        for name, figure in figures.items()
        for label, agreement in figure["agreement"].items()
    )
    header = (
        *("latents", "label", "sources", "clusters", "noise %", "AMI, noise as one cluster"),
        "AMI of clustered sources",
    )
    labels = list(dict.fromkeys(label for f in figures.values() for label in f["agreement"]))
    series = {
        label: [f["agreement"].get(label, {}).get("ami", 0.0) * 100 for f in figures.values()]
        for label in labels
    }
    best = max(rows, key=lambda row: float(row[5])) if rows else None
    reading = (
        f"Clusters found without labels agree best with {best[1]} in {best[0]}: adjusted mutual "
        f"information {best[5]} (0 is chance, 1 is identity), with {best[4]} % of sources "
        "called noise."
        if best
        else "No label was known for enough of the sampled sources."
    )
    return Section(
        "clustering",
        "Clusters",
        reading,
        f"{context.data}; HDBSCAN (smallest cluster {SMALLEST_CLUSTER}, {CORE} neighbors for a "
        f"core) on a seeded sample of up to {LARGEST:,} sources, z-scored latents. No split: "
        "nothing is fitted to labels.",
        {"latents": figures},
        (Table("Adjusted mutual information with labels", header, rows),),
        (Plot("Agreement of clusters with labels",
              bar_plot(list(figures), series, "100 x adjusted mutual information")),)
        if series
        else (),
    )  # fmt: skip
