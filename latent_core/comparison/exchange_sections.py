"""The section on models trained on one survey and applied to the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from latent_core.comparison.samples import Sample
from latent_core.evaluation import NEIGHBORS
from latent_core.report.content import Plot, Section, Table
from latent_core.report.plots import interval_plot

UNITS = {"teff": "Teff [K]", "logg": "log g", "fe_h": "[Fe/H]"}
HELD_OUT = "held_out"


def exchange_section(
    first: Sample, found: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> Section | None:
    """Say how well models of one survey serve the other; None where nothing was exchanged."""
    tasks = [(other, task, told) for other, by in found.items() for task, told in by.items()]
    if not tasks:
        return None
    return Section(
        "exchange",
        "Models trained on the one, applied to the other",
        " ".join(said for case in tasks for said in _said(*case)),
        f"{first.name} ({first.mark}). Agreement of {NEIGHBORS} latent neighbors, five folds, "
        "latents as z-scores over the sources asked. Both sides give as many of each class "
        "(light curves, frequencies searched anew for both) or pairs of equal G and BP-RP "
        "(spectra). Held-out sources are those that no model was trained on. The last column asks "
        "the other survey's sources as neighbors: their labels, in this model's space. "
        + " ".join(_origins(*case) for case in tasks),
        {"beside": found},
        tuple(_table(*case) for case in tasks),
        tuple(Plot(f"{task}: {first.name} and {o}", _plot(told)) for o, task, told in tasks
              if told["classes"]),
    )  # fmt: skip


def _origins(other: str, task: str, told: Mapping[str, Any]) -> str:
    here, there = told["sources"]
    text = f"{task} beside {other}: {here:,} and {there:,} sources"
    derived = [origin for origin in told["origins"] if origin.startswith("derived")]
    return f"{text}; {derived[0]}." if derived else f"{text}."


def _said(other: str, task: str, told: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each side that is asked: the foreign model, then the model from home."""
    for asked in dict.fromkeys(case["asked"] for case in told["cases"]):
        cases = [case for case in told["cases"] if case["asked"] == asked]
        home = next((case for case in cases if _at_home(case)), None)
        foreign = next((case for case in cases if not _at_home(case)), None)
        if foreign is None or foreign["all"] is None:
            continue
        text = (
            f"{task.capitalize()} of {asked} ({foreign['asked_sources']}): {_short(foreign)} by "
            f"models of {foreign['trained_on']}"
        )
        yield f"{text}, {_short(home)} by models from home." if home else f"{text}."


def _at_home(case: Mapping[str, Any]) -> bool:
    return bool(case["home"])


def _short(case: Mapping[str, Any]) -> str:
    scores = case["all"]
    if "accuracy_percent" in scores:
        low, high = scores["interval_95_percent"]
        return f"{scores['accuracy_percent']:.1f} % [{low:.1f}, {high:.1f}]"
    return ", ".join(f"R2 {s['r2']:.2f} of {n}" for n, s in scores.items() if s is not None)


def _table(other: str, task: str, told: Mapping[str, Any]) -> Table:
    title = f"{task.capitalize()} beside {other} (models: {', '.join(told['models'])})"
    if told["classes"]:
        return _class_table(title, told)
    return _value_table(title, told)


def _class_table(title: str, told: Mapping[str, Any]) -> Table:
    header = (
        *("trained on", "asked", "agreement, all [%]", "held-out [%]", "macro-F1, all [%]"),
        *("by the other's labels [%]", "sources (held-out)"),
    )
    rows = tuple(
        (
            case["trained_on"],
            f"{case['asked']} ({case['asked_sources']})",
            _percent(case["all"]),
            _percent(case[HELD_OUT]),
            "-" if case["all"] is None else f"{case['all']['macro_f1_percent']:.1f}",
            _percent(case["library_of_the_other"]),
            f"{_count(case['all'])} ({_count(case[HELD_OUT])})",
        )
        for case in told["cases"]
    )
    counts = told["classes"]
    largest = 100 * max(counts.values()) / sum(counts.values())
    return Table(
        title, header, rows,
        f"Classes: {', '.join(f'{n} {c}' for n, c in counts.items())}, on either side. Always "
        f"naming one class agrees with {largest:.0f} %.",
    )  # fmt: skip


def _count(scores: Mapping[str, Any] | None) -> str:
    return "-" if scores is None else f"{scores['sources']:,}"


def _percent(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return "-"
    low, high = scores["interval_95_percent"]
    return f"{scores['accuracy_percent']:.1f} [{low:.1f}, {high:.1f}]"


def _value_table(title: str, told: Mapping[str, Any]) -> Table:
    header = (
        *("trained on", "asked", "label", "MAE, all", "R2, all", "MAE, held-out", "R2, held-out"),
        *("MAE by the other's labels", "bias by the other's labels", "sources"),
    )
    return Table(title, header, tuple(row for case in told["cases"] for row in _values(case)))


def _values(case: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, title in UNITS.items():
        alone, held, there = (
            (case[key] or {}).get(name) for key in ("all", HELD_OUT, "library_of_the_other")
        )
        if alone is not None:
            yield (
                case["trained_on"],
                f"{case['asked']} ({case['asked_sources']})",
                title,
                *_pair(alone),
                *_pair(held),
                _number(there and there["mae"]),
                _number(there and there["bias"]),
                f"{alone['sources']:,}",
            )


def _pair(scores: Mapping[str, Any] | None) -> tuple[str, str]:
    return ("-", "-") if scores is None else (_number(scores["mae"]), f"{scores['r2']:.2f}")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"


def _plot(told: Mapping[str, Any]) -> str:
    rows: list[tuple[str, dict[str, tuple[float, float, float]]]] = []
    for case in told["cases"]:
        series = {}
        for key, what in (("all", "own neighbors, all"), (HELD_OUT, "own neighbors, held-out"),
                          ("library_of_the_other", "the other survey's neighbors")):  # fmt: skip
            if case[key] is not None:
                series[what] = (case[key]["accuracy_percent"], *case[key]["interval_95_percent"])
        rows.append((f"{case['trained_on']} asked {case['asked']}", series))
    counts: Sequence[int] = list(told["classes"].values())
    chance = 100 * max(counts) / sum(counts)
    return interval_plot(rows, "agreement on the class [%]", (chance, "always one class"))
