"""Distances as sections of the page: where it is wrong first, then plot by plot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latent_core.comparison.distances import DRAWS, LEVEL
from latent_core.comparison.drawing import bands, histograms, worst_plot
from latent_core.comparison.marginals import Marginal, worst
from latent_core.comparison.samples import Sample
from latent_core.report.content import Plot, Section, Table

NAMED = 4  # what the first sentence names
LISTED = 25
SAME = 0.1  # widths of the other sample: less is not worth naming
HEADER = (
    *("quantity", "group", "G", "beside", "KS [95 %]", "floor", "real tables", "above both"),
    *("moved by", "medians", "sources", "p"),
)
NOTE = (
    "KS is the largest gap of the two cumulative distributions; floor is what two random halves "
    f"of the other sample reach in {100 - LEVEL:.0f} % of {DRAWS} halvings; real tables is how "
    "far the same class lies apart in the other real inputs, which were chosen otherwise; moved "
    "by is the Wasserstein distance in half the 16-84 % width of the other sample. Medians and "
    "sources (those with a known value) are here / there; p is that of the KS test."
)
# sections in the order in which a reader asks: (key, title, quantities)
PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("magnitude", "Magnitude", ("g",)),
    ("colour", "Colour", ("bp_rp",)),
    ("period", "Period", ("log_period",)),
    ("amplitude", "Amplitude", ("log_amplitude", "log_std", "log_iqr")),
    ("shape", "Shape of light curves", ("r21", "phi21", "r31", "phi31", "skewness", "abbe")),
    ("transits", "Transits", ("transits", "span", "log_gap", "outliers")),
    ("transit_errors", "Errors of transits", ("log_error",)),
)


def wrong_section(first: Sample, found: Sequence[Marginal]) -> Section:
    """Say where the first sample is wrong, worst first, from the distances alone."""
    wrong, fair = worst(list(found)), [m for m in found if m.fair]
    fine = [m for m in fair if m.excess <= 0]
    shown = _one_of_each(wrong)[:LISTED]
    plots: tuple[Plot, ...] = ()
    if shown:
        marks = [(m.name, m.found.ks, m.found.interval, m.found.floor, m.selection) for m in shown]
        caption = "The worst group of each quantity, beside its floor."
        plots = (Plot("Where it is wrong, worst first", worst_plot(marks), caption),)
    figures = {
        "compared": len(fair),
        "at_the_floor": len(fine),
        "worst": [m.record() for m in wrong],
    }
    return Section(
        "wrong",
        "Where it is wrong",
        verdict(first, wrong, len(fair)),
        _basis(first, fair),
        figures,
        (
            table("The worst group of each quantity", shown, folded=False),
            table(f"All {len(wrong)} distances that pass both", wrong),
        )
        if shown
        else (),
        plots,
    )


def verdict(first: Sample, wrong: Sequence[Marginal], compared: int) -> str:
    """Return the sentence that a reader takes away."""
    if not compared:
        return f"Nothing could be compared: {first.name} shares no class with the other rows."
    if not wrong:
        return (
            f"None of {compared} distances of {first.name} passes its floor and what real tables "
            "differ by."
        )
    said = [_said(m) for m in _one_of_each(wrong)[:NAMED]]
    rest = (
        f"{len(wrong)} of {compared} distances of {first.name} pass their floor and what real "
        "tables differ by"
    )
    return f"{rest}. Worst: {'; '.join(said)}."


def _one_of_each(wrong: Sequence[Marginal]) -> list[Marginal]:
    """Return the worst group of each quantity and input, worst first."""
    named = {(m.quantity, m.other): m for m in reversed(wrong)}
    return sorted(named.values(), key=lambda m: -m.excess)


def _said(m: Marginal) -> str:
    """Say one distance, and in what the two differ: in the median, else in the width."""
    d = m.found
    slight = SAME * d.other_width
    if abs(d.first_median - d.other_median) >= slight:
        how = f"median {d.first_median:.3g} instead of {d.other_median:.3g}"
    elif abs(d.first_width - d.other_width) >= slight:
        how = f"16-84 % width {d.first_width:.3g} instead of {d.other_width:.3g}"
    else:
        how = f"median and width alike, yet moved by {d.wasserstein:.2g}"
    return f"{m.name} beside {m.other} (KS {d.ks:.2f}, floor {d.floor:.2f}; {how})"


def _basis(first: Sample, found: Sequence[Marginal]) -> str:
    others = ", ".join(dict.fromkeys(m.other for m in found)) or "none"
    return (
        f"{first.name} ({first.mark}, {len(first.sources):,} sources) beside {others}. Groups "
        "that are compared as a whole are drawn in the same mix of classes. A distance counts as "
        "wrong where it passes what two halves of the same rows show, and what the choice of real "
        "rows explains."
    )


def marginal_sections(
    first: Sample, others: Sequence[Sample], found: Sequence[Marginal]
) -> list[Section]:
    """Return one section a kind of quantity: its distances, and both samples on the same axes."""
    sections = []
    for key, title, quantities in PARTS:
        part = [m for m in found if m.quantity in quantities]
        if not part:
            continue
        wrong = worst(part)
        fair = sum(m.fair for m in part)
        plots = [p for q in quantities for p in _plots(first, others, part, q)]
        sections.append(
            Section(
                key,
                title,
                verdict(first, wrong, fair),
                _basis(first, part),
                {"distances": [m.record() for m in part]},
                (table(f"{title}: distances", part),),
                tuple(plots),
            )
        )
    return sections


def _plots(
    first: Sample, others: Sequence[Sample], found: Sequence[Marginal], quantity: str
) -> list[Plot]:
    plots: list[Plot] = []
    for other in others:
        part = [m for m in found if m.quantity == quantity and m.other == other.name]
        if not part:
            continue
        names = (f"{first.name}, {first.mark}", f"{other.name}, {other.mark}")
        if quantity == "log_error":
            plots.append(_error_plot(first, other, names))
            continue
        panels = [(_titled(m), m.first_values, m.other_values) for m in part]
        title = f"{part[0].title} beside {other.name}"
        images = histograms(panels, part[0].title, names)
        plots += [Plot(title if i == 0 else f"{title}, more classes", image)
                  for i, image in enumerate(images)]  # fmt: skip
    return plots


def _titled(m: Marginal) -> str:
    return f"{m.group}: KS {m.found.ks:.2f} (floor {m.found.floor:.2f})"


def _error_plot(first: Sample, other: Sample, names: tuple[str, str]) -> Plot:
    series = {
        name: (
            np.asarray(s.points["mag"], np.float64),
            np.asarray(s.points["log_error"], np.float64),
        )
        for name, s in zip(names, (first, other), strict=True)
    }
    image = bands(
        [("error of a transit by its magnitude", series)], ("G [mag]", "log10 error [mag]")
    )
    return Plot(f"Errors of transits beside {other.name}", image, "Median and 16-84 %.")


def table(title: str, found: Sequence[Marginal], *, folded: bool = True) -> Table:
    """Return distances as a table of the page."""
    return Table(title, HEADER, tuple(_row(m) for m in found), NOTE, folded)


def _row(m: Marginal) -> tuple[str, ...]:
    d = m.found
    return (
        m.title,
        m.group + ("" if m.fair else " (not the same kind)"),
        m.bin or "-",
        m.other,
        f"{d.ks:.3f} [{d.interval[0]:.3f}, {d.interval[1]:.3f}]",
        f"{d.floor:.3f}",
        "-" if m.selection is None else f"{m.selection:.3f}",
        f"{m.excess:+.3f}",
        f"{d.wasserstein_scaled:.2f}",
        f"{d.first_median:.3g} / {d.other_median:.3g}",
        f"{d.first_sources:,} / {d.other_sources:,}",
        f"{d.p:.1g}",
    )
