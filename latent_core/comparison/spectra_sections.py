"""Sections of spectra: errors of coefficients, and whether a classifier tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.comparison.drawing import bands, profiles
from latent_core.comparison.marginals import worst
from latent_core.comparison.pairs import EQUAL
from latent_core.comparison.samples import Sample
from latent_core.comparison.sections import table, verdict
from latent_core.comparison.spectra import PairedSpectra, band_slices
from latent_core.comparison.telling_apart import coefficients, log_errors
from latent_core.report.content import Plot, Section, Table
from latent_core.report.plots import interval_plot

Floats = NDArray[np.float64]
AIM = 0.7  # an AUC that is asked of a good simulation
CAPTION = "Median and 16-84 % of all pairs."


def coefficient_section(first: Sample, paired: Sequence[PairedSpectra]) -> Section | None:
    """Compare coefficients and their errors, of pairs of equal magnitude and colour."""
    if not paired:
        return None
    found = [m for p in paired for m in p.marginals]
    said = [verdict(first, worst(found), len(found))] if found else []
    by_coefficient = {
        p.other.name: {
            "pairs": len(p.pairs),
            "values_ks": p.values_ks.tolist(),
            "errors_ks": None if p.errors_ks is None else p.errors_ks.tolist(),
        }
        for p in paired
    }
    return Section(
        "coefficients",
        "XP coefficients and their errors",
        " ".join([*said, *(_said_worst(p) for p in paired)]),
        f"{first.name} ({first.mark}). {' '.join(_said_pairs(p) for p in paired)}",
        {"distances": [m.record() for m in found], "by_coefficient": by_coefficient},
        (table("Errors of coefficients by magnitude", found),) if found else (),
        tuple(plot for p in paired for plot in _plots(p)),
    )


def _said_pairs(p: PairedSpectra) -> str:
    derived = ""
    if p.errors_ks is None:
        derived = " Coefficients there are derived, errors estimated: values alone are compared."
    return (
        f"{len(p.pairs):,} pairs with {p.other.name} ({p.other.mark}), equal to {EQUAL[0]} mag in "
        f"G and {EQUAL[1]} mag in BP-RP, both synthetic photometry of the spectra.{derived}"
    )


def _said_worst(p: PairedSpectra) -> str:
    k = int(np.argmax(p.values_ks))
    band = next(b for b, part in band_slices().items() if part.start <= k < part.stop)
    return (
        f"Beside {p.other.name} the value that differs most is that of coefficient "
        f"{k - band_slices()[band].start} of {band} (KS {p.values_ks[k]:.2f})."
    )


def _plots(p: PairedSpectra) -> list[Plot]:
    names = [f"{s.name}, {s.mark}" for s in (p.first, p.other)]
    plots = []
    if p.errors_ks is not None:
        plots.append(_by_magnitude(p, names))
        logs = [log_errors(spectra, items) for _, spectra, items in p.sides]
        image = profiles(_panels(names, logs), "log10 error over G flux")
        plots.append(Plot(f"Errors by coefficient beside {p.other.name}", image, CAPTION))
    image = profiles(_panels(names, _standardised(p)), "value in half widths of the other")
    title = f"Coefficients over G flux beside {p.other.name}, less its median"
    plots.append(Plot(title, image, CAPTION))
    distances = {"value": p.values_ks}
    if p.errors_ks is not None:
        distances["error"] = p.errors_ks
    image = profiles(
        [(band, {n: x[None, part] for n, x in distances.items()})
         for band, part in band_slices().items()],
        "Kolmogorov-Smirnov distance",
    )  # fmt: skip
    plots.append(Plot(f"Distance of each coefficient beside {p.other.name}", image))
    return plots


def _standardised(p: PairedSpectra) -> list[Floats]:
    """Coefficients of both sides less the median of the other, in half its 16-84 % width."""
    given = [coefficients(spectra, items) for _, spectra, items in p.sides]
    low, middle, high = np.percentile(given[1], [16, 50, 84], axis=0)
    half = np.where(high > low, (high - low) / 2, 1.0)
    return [(x - middle) / half for x in given]


def _by_magnitude(p: PairedSpectra, names: Sequence[str]) -> Plot:
    panels = []
    for band, part in band_slices().items():
        series = {
            name: (
                spectra.photometry[items, 0],
                np.median(np.log10(spectra.errors[items][:, part]), axis=1),
            )
            for name, (_, spectra, items) in zip(names, p.sides, strict=True)
        }
        panels.append((f"median error of {band} coefficients", series))
    image = bands(panels, ("G [mag]", "log10 error [e-/s]"))
    return Plot(f"Errors of coefficients beside {p.other.name}", image, "Median and 16-84 %.")


def _panels(
    names: Sequence[str], numbers: Sequence[Floats]
) -> list[tuple[str, dict[str, Floats]]]:
    return [
        (band, {name: x[:, part] for name, x in zip(names, numbers, strict=True)})
        for band, part in band_slices().items()
    ]


def apart_section(first: Sample, found: Mapping[str, Mapping[str, Any]]) -> Section | None:
    """Say how well classifiers tell simulated from real spectra; None where nothing was asked."""
    asked = [
        (other, equal, told) for other, cases in found.items() for equal, told in cases.items()
    ]
    if not asked:
        return None
    rows = [row for case in asked for row in _rows(*case)]
    return Section(
        "telling_apart",
        "Telling simulated from real spectra",
        " ".join(_said(*case) for case in asked),
        f"{first.name} ({first.mark}). AUC 0.5 is a coin, 1 is never wrong; {AIM} or less is the "
        "aim. Each pair is one spectrum of either side, alike in what is named, and stays in one "
        "of five folds; intervals are 95 % over bootstrap samples of the pairs. The floor is the "
        "same classifier on two halves of the other sample. "
        + " ".join(_said_derived(*case) for case in asked),
        {"aim": AIM, "beside": found},
        (
            Table("Areas under the ROC curve", _HEADER, tuple(rows)),
            *(_classes(*case) for case in asked if case[2]["by_class"]),
        ),
        tuple(Plot(f"Told apart from {o}, {_equal(e)}", _plot(t)) for o, e, t in asked),
    )


_HEADER = (
    *("beside", "equal in", "features", "classifier", "AUC", "95 %", "floor"),
    *("floor, 95 %", "pairs"),
)


def best(told: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    """Return features, classifier and figures of the highest AUC."""
    cases = (
        (features, kind, scores["auc"])
        for features, kinds in told["features"].items()
        for kind, scores in kinds.items()
    )
    return max(cases, key=lambda case: case[2]["value"])


def _equal(equal: str) -> str:
    return f"equal in {equal}"


def _said(other: str, equal: str, told: Mapping[str, Any]) -> str:
    features, kind, score = best(told)
    low, high = score["interval_95_percent"]
    reached = "within" if score["value"] <= AIM else "above"
    return (
        f"Beside {other}, {_equal(equal)}: AUC {score['value']:.3f} [{low:.3f}, {high:.3f}] "
        f"({kind} on {features}, {score['pairs']:,} pairs), {reached} the aim of {AIM}."
    )


def _said_derived(other: str, equal: str, told: Mapping[str, Any]) -> str:
    said = f"{other}, {_equal(equal)}: median G {told['median_g_mag']:.1f}."
    if told["derived"]:
        said += " Its coefficients are derived and its errors estimated: values alone are asked."
    return said


def _rows(other: str, equal: str, told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            other,
            equal,
            features,
            kind,
            *_cells(scores["auc"]),
            *_cells(scores["floor"]),
            f"{told['pairs']:,}",
        )
        for features, kinds in told["features"].items()
        for kind, scores in kinds.items()
    ]


def _cells(score: Mapping[str, Any] | None) -> tuple[str, str]:
    if score is None:
        return "-", "-"
    low, high = score["interval_95_percent"]
    return f"{score['value']:.3f}", f"{low:.3f} to {high:.3f}"


def _classes(other: str, equal: str, told: Mapping[str, Any]) -> Table:
    rows = tuple((name, *_cells(s), f"{s['pairs']:,}") for name, s in told["by_class"].items())
    title = f"By class, beside {other}, {_equal(equal)}: trees on coefficients over G flux"
    return Table(title, ("class", "AUC", "95 %", "pairs"), rows, folded=True)


def _plot(told: Mapping[str, Any]) -> str:
    marks = []
    for features, kinds in told["features"].items():
        series = {}
        for kind, scores in kinds.items():
            for what, key in (("", "auc"), (", floor", "floor")):
                if scores[key] is not None:
                    low, high = scores[key]["interval_95_percent"]
                    series[f"{kind}{what}"] = (scores[key]["value"], low, high)
        marks.append((features, series))
    return interval_plot(marks, "area under the ROC curve", (AIM, f"aim: {AIM} or less"))
