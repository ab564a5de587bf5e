"""Section: how well classes can be told by latents, by neighbors and by a linear probe."""

from __future__ import annotations

import math
from typing import Any

from latent_core.report.anchors import anchors_of
from latent_core.report.classes import Labels, label_sets, labelled
from latent_core.report.content import Context, Features, Plot, Section, Table
from latent_core.report.plots import MANY_CLASSES, bar_plot, confusion_plot
from latent_core.report.probes import (
    KNN_FOLDS,
    LINEAR_FOLDS,
    NEIGHBORS,
    Classified,
    knn_classes,
    linear_classes,
)

LARGEST = {"space": 30_000, "block": 15_000, "map": 30_000}
PROBES = {"knn": knn_classes, "linear": linear_classes}
PROBE_TITLES = {
    "knn": f"{NEIGHBORS} nearest neighbors",
    "linear": "linear probe, balanced classes",
}


def classification(context: Context) -> Section | None:
    """Measure kNN and linear probes of every label in every space, block and map."""
    drawn = {shown.x.tobytes(): shown for _, shown in reversed(context.maps)}
    asked = [*context.latents, *reversed(drawn.values())]
    figures: dict[str, Any] = {}
    tables: list[Table] = []
    plots: list[Plot] = []
    for labels in label_sets(context.catalog):
        found = {f.name: _measured(context, f, labels) for f in asked}
        found = {name: probes for name, probes in found.items() if probes}
        if not found:
            continue
        figures[labels.name] = {
            name: {probe: scores(result) for probe, result in probes.items()}
            for name, probes in found.items()
        }
        tables += [_overview(labels, found), *_per_class(labels, found)]
        plots += _plots(labels, found)
    if not figures:
        return None
    return Section(
        "classification",
        "Classes",
        _reading(figures),
        f"{context.data}. {context.label_sight} "
        "Every source is judged out of fold, so no split of the models is used: "
        f"stratified shuffled folds (seed 0), {KNN_FOLDS} for neighbors, {LINEAR_FOLDS} for the "
        "linear probe, z-scores fitted on the training folds. At most "
        f"{LARGEST['space']:,} sources of a space and {LARGEST['block']:,} of a block are asked "
        "(seeded sample); classes with fewer than 10 of them are left out.",
        {"labels": figures, "published": anchors_of("classification")},
        (*tables, published_table("classification")),
        tuple(plots),
    )


def published_table(section: str) -> Table:
    """Show what the authors of the systems published for this section, with its source."""
    rows = tuple(
        (a["quantity"], f"{a['value']:g}", a["unit"], a["data"], a["source"])
        for a in anchors_of(section)
    )
    header = ("published figure", "value", "unit", "on", "source")
    return Table("Published figures to compare with", header, rows, folded=True)


def _measured(context: Context, features: Features, labels: Labels) -> dict[str, Classified]:
    known = labelled(features, labels, LARGEST[features.kind])
    truth = labels.values[features.rows[known]]
    classes = len(set(truth))
    if classes < 2 or len(known) < 100:
        return {}
    context.say(f"classes: {labels.name} in {features.name}")
    wanted = ["knn"] if features.kind == "map" or classes > MANY_CLASSES else list(PROBES)
    return {probe: PROBES[probe](features.x[known], truth) for probe in wanted}


def scores(found: Classified) -> dict[str, Any]:
    """Return a probe's figures as the report's JSON holds them; shares in percent."""
    per_class = found.per_class()
    counts = found.confusion.sum(axis=1)
    return {
        "sources": len(found.truth),
        "classes": len(found.names),
        "accuracy_percent": 100 * found.accuracy,
        "macro_f1_percent": 100 * found.macro_f1,
        "balanced_accuracy_percent": 100 * found.balanced_accuracy,
        "majority_percent": 100 * float(counts.max() / counts.sum()),
        "per_class": {
            name: {
                "sources": int(counts[i]),
                **{f"{kind}_percent": 100 * float(v[i]) for kind, v in per_class.items()},
            }
            for i, name in enumerate(found.names)
        },
        "names": list(found.names),
        "confusion": found.confusion.tolist(),
    }


def _overview(labels: Labels, found: dict[str, dict[str, Classified]]) -> Table:
    rows = []
    for name, probes in found.items():
        for probe, result in probes.items():
            values = scores(result)
            share = (f"{values[f'{k}_percent']:.2f}" for k in ("accuracy", "macro_f1"))
            rest = (f"{values[f'{k}_percent']:.2f}" for k in ("balanced_accuracy", "majority"))
            counts = (f"{values['sources']:,}", str(values["classes"]))
            rows.append((name, PROBE_TITLES[probe], *counts, *share, *rest))
    header = (
        *("latents", "probe", "sources", "classes", "accuracy %", "macro-F1 %"),
        *("mean recall %", "largest class %"),
    )
    return Table(labels.title, header, tuple(rows))


def _per_class(labels: Labels, found: dict[str, dict[str, Classified]]) -> list[Table]:
    """Tables of precision, recall and F1 of every class, for each space (not for its blocks)."""
    tables = []
    for name, probes in found.items():
        if "/" in name:
            continue
        for probe, result in probes.items():
            rows = tuple(
                (cls, f"{v['sources']:,}", *(f"{v[f'{k}_percent']:.1f}" for k in _KINDS))
                for cls, v in scores(result)["per_class"].items()
            )
            title = f"{labels.title}: every class, {name}, {PROBE_TITLES[probe]}"
            header = ("class", "sources", "precision %", "recall %", "F1 %")
            tables.append(Table(title, header, rows, folded=True))
    return tables


_KINDS = ("precision", "recall", "f1")


def _plots(labels: Labels, found: dict[str, dict[str, Classified]]) -> list[Plot]:
    names = list(found)
    series = {
        PROBE_TITLES[p]: [100 * found[n][p].macro_f1 if p in found[n] else math.nan for n in names]
        for p in PROBES
        if any(p in found[n] for n in names)
    }
    plots = [
        Plot(
            f"{labels.title}: macro-F1 of every space, block and map",
            bar_plot(names, series, "macro-F1 [%]", limit=108),
            "Maps, and labels of very many classes, are asked by neighbors only.",
        )
    ]
    for name, probes in found.items():
        if "/" in name or len(next(iter(probes.values())).names) > MANY_CLASSES:
            continue
        plots += [
            Plot(
                f"{labels.title}: confusion in {name}, {PROBE_TITLES[probe]}",
                confusion_plot(result.names, result.confusion),
                f"Rows sum to 100 %; cells below 0.5 % are empty. {len(result.truth):,} sources.",
            )
            for probe, result in probes.items()
        ]
    return plots


def _reading(figures: dict[str, Any]) -> str:
    parts = []
    for label, spaces in figures.items():
        name, probes = next(iter(spaces.items()))
        knn = probes["knn"]
        parts.append(
            f"{label}: {knn['accuracy_percent']:.1f} % right, macro-F1 "
            f"{knn['macro_f1_percent']:.1f} % ({knn['classes']} classes, always naming the "
            f"largest would give {knn['majority_percent']:.1f} %) by neighbors in {name}"
        )
    return "; ".join(parts) + "."
