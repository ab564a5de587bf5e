"""The README's table of figures, from small summaries of reports that lie in `docs/figures`.

A summary is what `summary_of` keeps of a `report.json`: a few dozen numbers with their data,
sources and split, and no row of any catalog. The table is made of committed summaries, so it can
be checked without a bundle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from latent_core.errors import InputError
from latent_core.map_quality import NEIGHBORS as MAP_NEIGHBORS
from latent_core.report.plots import MANY_CLASSES

START, END = "<!-- figures: start -->", "<!-- figures: end -->"
HEADER = ("figure", "value", "95 % interval", "on", "sources", "split")
Figure = dict[str, Any]
# what the README shows; a summary keeps the others beside them
FAIR_BASELINE = "labels [Fe/H], Teff, log g"
LESSER_GROUPS = ("Teff >=", "pairs alike in [Fe/H] (")
FEW_PERCENT = 5
OUT_OF_FOLD, HELD_OUT, NO_SPLIT = "out of fold", "held-out test", "none (sample)"


def summary_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headline figures of a report with their provenance."""
    sections: Mapping[str, Any] = report["sections"]
    figures: list[Figure] = []
    told = _told(report)
    for key, headlines in _HEADLINES.items():
        if key in sections:
            found = list(headlines(sections[key]))
            figures += [
                {**f, "headline": f["headline"] and (not told or key in told)} for f in found
            ]
    return {
        "from": "report.json of gaia-latent evaluate",
        "data": report["data"],
        "simulated": report["simulated"],
        "sources": report["sources"],
        "code": report["code"],
        "inputs": report["inputs"],
        "figures": figures,
    }


def _told(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sections whose figures are worth a line of the README; () for all.

    Latents of a model that learned labels cannot be asked what they know of labels unseen, and of
    simulated sources the classes are enough.
    """
    if "predictions" in report["sections"]:
        return ("predictions",)
    return ("classification",) if report["simulated"] else ()


def _figure(
    what: str,
    value: float,
    unit: str,
    sources: int,
    split: str,
    interval: Sequence[float] | None = None,
    *,
    headline: bool = True,
) -> Figure:
    return {
        "what": what,
        "headline": headline,
        "value": value,
        "unit": unit,
        "interval": None if interval is None else list(interval),
        "sources": sources,
        "split": split,
    }


def _classification(section: Mapping[str, Any]) -> Iterator[Figure]:
    titles = {"knn": "10 neighbors", "linear": "linear probe"}
    for label, spaces in section["labels"].items():
        for space, probe, s in _in_spaces(spaces):
            about = f"{label}, {s['classes']} classes, {titles[probe]} in {space}"
            wanted = s["classes"] <= MANY_CLASSES and probe == "knn"
            for kind, title in (("accuracy", "accuracy"), ("macro_f1", "macro-F1")):
                value = s[f"{kind}_percent"]
                yield _figure(
                    f"{title}: {about}", value, "%", s["sources"], OUT_OF_FOLD, headline=wanted
                )


def _in_spaces(spaces: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Space, probe and figures of whole spaces: blocks and maps stay in the report."""
    for space, probes in spaces.items():
        if " / " not in space:
            for probe, scores in probes.items():
                yield space, probe, scores


def _regression(section: Mapping[str, Any]) -> Iterator[Figure]:
    titles = {"knn": "10 neighbors", "mlp": "MLP"}
    for population, names in section["populations"].items():
        for name, spaces in names.items():
            for space, probe, s in _in_spaces(spaces):
                if probe not in titles:
                    continue
                what = f"RMSE of {name} ({population}): {titles[probe]} on {space}"
                unit = "K" if name == "teff" else "dex"
                yield _figure(
                    what, s["rmse"], unit, s["sources"], HELD_OUT, s["rmse_95_percent"],
                    headline=probe == "mlp",
                )  # fmt: skip


def _alpha(section: Mapping[str, Any]) -> Iterator[Figure]:
    for name, groups in section["features"].items():
        known = not name.startswith(("labels", "raw")) or name == FAIR_BASELINE
        for group, s in groups.items():
            what = f"balanced accuracy of the alpha sequence ({group}): {name}"
            yield _figure(
                what, s["balanced_accuracy"], "", s["sources"], HELD_OUT, s["interval_95_percent"],
                headline=known and " / " not in name and not group.startswith(LESSER_GROUPS),
            )  # fmt: skip


def _reconstruction(section: Mapping[str, Any]) -> Iterator[Figure]:
    for name, model in section["models"].items():
        cover = model["coverage"].get("test")
        if cover is None:
            continue
        flux = model.get("flux_residual_percent_held_out", {})
        for span in (s for s in flux if s != "sources"):
            what = f"median |df/f| at {span} nm: {name}"
            yield _figure(what, flux[span], "%", flux["sources"], HELD_OUT)
        chi = model["chi"]["test"]["errors"]["p50"]
        yield _figure(f"median chi, errors only: {name}", chi, "", cover["sources"], HELD_OUT)
        for level in ("68", "95"):
            what = f"points within the {level} % interval, with scatter: {name}"
            value = cover[f"with_scatter_{level}_percent"]
            yield _figure(what, value, "%", cover["sources"], HELD_OUT)


def _clustering(section: Mapping[str, Any]) -> Iterator[Figure]:
    for space, found in section["latents"].items():
        if " / " in space:
            continue
        for label, s in found["agreement"].items():
            what = f"adjusted mutual information of HDBSCAN and {label} in {space}"
            yield _figure(what, s["ami"], "", s["sources"], NO_SPLIT, headline=False)


def _maps(section: Mapping[str, Any]) -> Iterator[Figure]:
    for name, by_k in section["maps"].items():
        for quality in by_k.values():
            what = f"of the {quality['neighbors']} nearest, kept by {name}"
            value = 100 * quality["neighbors_kept"]
            first = quality["neighbors"] == MAP_NEIGHBORS
            yield _figure(what, value, "%", quality["asked"], NO_SPLIT, headline=first)


def _predictions(section: Mapping[str, Any]) -> Iterator[Figure]:
    for name, found in section["models"].items():
        for label, cases in found["labels"].items():
            for case, s in cases.items():
                how = "XP taken away" if case else "with XP"
                unit = "K" if s["unit"] == "K" else "dex"
                what = f"MAE of predicted {label}, {how}: {name}"
                yield _figure(what, s["mae"], unit, s["sources"], HELD_OUT)
                what = f"truth within 16-84 % of {label}, {how}: {name}"
                yield _figure(what, s["coverage_percent"], "%", s["sources"], HELD_OUT)
        for band, cases in found["bands_mag"].items():
            for case, s in cases.items():
                how = "XP taken away" if case else "with XP"
                what = f"MAE of imputed {band}, {how}: {name}"
                yield _figure(what, s["mae"], "mag", s["sources"], HELD_OUT)


def _crossmodal(section: Mapping[str, Any]) -> Iterator[Figure]:
    for space, blocks in section["spaces"].items():
        for block, s in blocks.items():
            what = f"variance of {block} that the other blocks explain in {space}"
            yield _figure(what, 100 * s["explained"], "%", s["sources"], NO_SPLIT)


_HEADLINES = {
    "classification": _classification,
    "regression": _regression,
    "alpha": _alpha,
    "reconstruction": _reconstruction,
    "clustering": _clustering,
    "maps": _maps,
    "predictions": _predictions,
    "crossmodal": _crossmodal,
}


def read_summaries(folder: Path) -> tuple[dict[str, Any], ...]:
    """Read all committed summaries, by file name; raises InputError where there are none."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError("holds no summary of a report", file=folder)
    return tuple(json.loads(file.read_text(encoding="utf-8")) for file in files)


def summary_text(summary: Mapping[str, Any]) -> str:
    """Return a summary as it is committed: same figures, same bytes."""
    return json.dumps(summary, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def markdown_table(summaries: Sequence[Mapping[str, Any]]) -> str:
    """Return one Markdown table of the headline figures of all summaries."""
    lines = [_row(HEADER), _row(("---",) * len(HEADER))]
    for summary in summaries:
        mark = "simulated" if summary["simulated"] else "real"
        for figure in (f for f in summary["figures"] if f["headline"]):
            interval = figure["interval"]
            span = "" if interval is None else " to ".join(_said(v, figure) for v in interval)
            cells = (
                figure["what"],
                f"{_said(figure['value'], figure)} {figure['unit']}".strip(),
                span,
                f"{summary['data']} ({mark})",
                f"{figure['sources']:,}",
                figure["split"],
            )
            lines.append(_row(cells))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _said(value: float, figure: Figure) -> str:
    if figure["unit"] in ("%", "K"):
        return f"{value:.1f}" if abs(value) >= FEW_PERCENT else f"{value:.2f}"
    return f"{value:.3f}" if abs(value) >= 0.1 or figure["unit"] == "" else f"{value:.4f}"


def with_table(readme: str, table: str) -> str:
    """Return a README with the table between its two markers; raises InputError without them."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise InputError(f"the README lacks the markers {START} and {END}")
    return f"{before}{START}\n{table}\n{end}{after}"
