"""Section: how well decoded latents give back what was measured, and whether sigma is honest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.encoding import decode_at, read_network
from latent_core.evaluation import quantiles, reconstruction_chi
from latent_core.inputs import has_observations, load_observations
from latent_core.report.anchors import anchors_of
from latent_core.report.classes import label_sets
from latent_core.report.classification import published_table
from latent_core.report.content import Context, Plot, Section, Table, sample, side_names
from latent_core.report.plots import band_plot, bar_plot

LARGEST = 10_000
FEWEST = 20
SIGMAS = {"68": 1.0, "95": 1.96}
NOMINAL = {"68": 68.27, "95": 95.0}
MAGNITUDE_EDGES = (0.0, 8.0, 10.0, 11.0, 12.0, 13.0, 14.0, 14.5, 15.0, 16.0, 17.0, 18.0, 22.0)
MOST_CLASSES = 30


@dataclass(frozen=True)
class Residuals:
    """Data minus decoding of M sources at P points, with what both claim of their errors."""

    rows: NDArray[np.int64]
    mask: NDArray[np.bool_]
    residual: NDArray[np.float64]
    error: NDArray[np.float64]
    scatter: NDArray[np.float64]

    def pulls(self, *, with_scatter: bool) -> NDArray[np.float64]:
        """Return residual over sigma, (M, P), NaN where nothing was measured."""
        variance = self.error**2 + (self.scatter**2 if with_scatter else 0.0)
        good = self.mask & (variance > 0)
        return np.where(good, self.residual / np.sqrt(np.where(good, variance, 1.0)), np.nan)

    def chi(self) -> dict[str, NDArray[np.float64]]:
        """Return each source's chi, by errors alone and with the model's scatter, (M,)."""
        nothing = np.zeros_like(self.residual)
        return reconstruction_chi(self.residual, self.error, self.mask, nothing, self.scatter)


def model_names(context: Context) -> tuple[str, ...]:
    """Names of the bundle's trained models."""
    files = context.folder.names("models/")
    return tuple(sorted(n.split("/")[1] for n in files if n.endswith("/model.safetensors")))


def residuals(context: Context, name: str) -> Residuals | None:
    """Decode a model's own latents of a sample; None where its observations did not come along."""
    folder = context.folder
    if not has_observations(folder, name) or f"models/{name}/latents.npy" not in folder:
        return None
    whole = load_observations(folder, name)
    part = sample(len(whole), LARGEST)
    arrays = {n: np.asarray(a[part]) for n, a in whole.arrays.items()}
    if not {"x", "error", "mask"} <= set(arrays):
        return None
    about = folder.json(f"models/{name}/model.json")
    network, _ = read_network(folder.file(f"models/{name}/model.safetensors"), about)
    mean, scatter = decode_at(network, folder.array(f"models/{name}/latents.npy")[part], arrays)
    return Residuals(
        np.asarray(whole.rows[part], np.int64),
        np.asarray(arrays["mask"], bool),
        np.asarray(arrays["x"], np.float64) - mean,
        np.asarray(arrays["error"], np.float64),
        np.asarray(scatter, np.float64),
    )


def reconstruction(context: Context) -> Section | None:
    """Measure chi by split, magnitude and label, and the coverage of sigma, of every model."""
    figures: dict[str, Any] = {}
    for name in model_names(context):
        context.say(f"reconstruction: {name}")
        found = residuals(context, name)
        if found is not None and len(found.rows):
            figures[name] = {**_measured(context, found), **_flux(context, name)}
    if not figures:
        return None
    return Section(
        "reconstruction",
        "Reconstruction and calibration",
        _reading(figures),
        f"{context.data}; each model's own input, up to {LARGEST:,} seeded sources of it, decoded "
        "from posterior means. Splits are those of training (by a hash of source_id); on what "
        "weights from elsewhere were trained, their card says. By magnitude and by label the test "
        "split is asked. chi = sqrt(mean((data - decoded)^2 "
        "/ sigma^2)) of a source, sigma by measured errors alone, or with the model's scatter "
        "added; points are taken as independent (no covariance).",
        {"models": figures, "published": anchors_of("reconstruction")},
        (
            *_tables(figures),
            *_flux_table(figures),
            published_table("reconstruction"),
        ),
        tuple(_plots(figures)),
    )


def _measured(context: Context, found: Residuals) -> dict[str, Any]:
    chi = found.chi()
    side = context.side[found.rows]
    binned_on, part = _held_out(side)
    rows, chi_there = found.rows[part], {kind: values[part] for kind, values in chi.items()}
    return {
        "sources": len(found.rows),
        "chi": {
            name: {kind: quantiles(values[side == code]) for kind, values in chi.items()}
            for code, name in side_names()
        },
        "coverage": {
            name: _coverage(found, side == code)
            for code, name in side_names()
            if (side == code).any()
        },
        "binned_on": binned_on,
        "by_magnitude": _by_magnitude(context, rows, chi_there),
        "by_label": _by_label(context, rows, chi_there),
    }


def _held_out(side: NDArray[np.uint8]) -> tuple[str, NDArray[np.bool_]]:
    """Return the test split, or all sources where too few of the sample are in it."""
    test = next(code for code, name in side_names() if name == "test")
    held = side == test
    return ("test", held) if held.sum() >= FEWEST else ("all", np.ones(len(side), bool))


def _flux(context: Context, name: str) -> dict[str, Any]:
    """Take what the build measured of held-out spectra in flux, {} where it measured nothing."""
    key = "flux_residual_percent_held_out"
    for space in context.spaces:
        file = f"spaces/{space.name}/metrics.json"
        if file in context.folder:
            measured = context.folder.json(file)["reconstruction"].get(name, {})
            if key in measured:
                return {key: measured[key]}
    return {}


def _flux_table(figures: Mapping[str, Any]) -> tuple[Table, ...]:
    """Return one table, none where no model draws spectra of held-out stars."""
    rows = tuple(
        (name, f"{span} nm", f"{value:.2f} %", f"{flux['sources']:,}")
        for name, model in figures.items()
        for flux in [model.get("flux_residual_percent_held_out", {})]
        for span, value in flux.items()
        if span != "sources"
    )
    header = ("model", "wavelengths", "median |decoded / observed - 1|", "sources")
    return (Table("Decoded flux of held-out spectra", header, rows),) if rows else ()


def _coverage(found: Residuals, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the share of points within 1 and 1.96 sigma in percent, and the mean pull."""
    result: dict[str, Any] = {"sources": int(chosen.sum())}
    for kind, with_scatter in (("errors", False), ("with_scatter", True)):
        pulls = found.pulls(with_scatter=with_scatter)[chosen]
        pulls = pulls[np.isfinite(pulls)]
        result |= {
            f"{kind}_{level}_percent": 100 * float((np.abs(pulls) <= limit).mean())
            for level, limit in SIGMAS.items()
        }
        result[f"{kind}_mean_pull"] = float(pulls.mean())
        result["points"] = len(pulls)
    return result


def _by_magnitude(
    context: Context, rows: NDArray[np.int64], chi: dict[str, NDArray[np.float64]]
) -> list[dict[str, Any]]:
    magnitude = context.magnitude()
    if magnitude is None:
        return []
    g, bins = magnitude[rows], []
    for low, high in pairwise(MAGNITUDE_EDGES):
        inside = (g >= low) & (g < high)
        if inside.sum() >= FEWEST:
            about = {"from": low, "to": high, "g_median": float(np.median(g[inside]))}
            bins.append({**about, **{k: quantiles(v[inside]) for k, v in chi.items()}})
    return bins


def _by_label(
    context: Context, rows: NDArray[np.int64], chi: dict[str, NDArray[np.float64]]
) -> dict[str, Any]:
    figures = {}
    for labels in label_sets(context.catalog):
        values = labels.values[rows]
        names = sorted({v for v in values if isinstance(v, str) and v})
        inside = {name: values == name for name in names}
        figures[labels.name] = {
            name: {kind: quantiles(v[chosen]) for kind, v in chi.items()}
            for name, chosen in inside.items()
            if chosen.sum() >= FEWEST
        }
    return {name: classes for name, classes in figures.items() if classes}


def _chi(quantile: dict[str, Any]) -> str:
    if quantile["p50"] is None:
        return "-"
    return f"{quantile['p50']:.2f} ({quantile['p16']:.2f} to {quantile['p84']:.2f})"


def _tables(figures: dict[str, Any]) -> list[Table]:
    header = ("chi, errors only", "chi, with scatter")
    kinds = ("errors", "with_scatter")
    split = tuple(
        (name, side, f"{chi['errors']['sources']:,}", *(_chi(chi[k]) for k in kinds))
        for name, model in figures.items()
        for side, chi in model["chi"].items()
        if chi["errors"]["sources"]
    )
    cover = tuple(
        (
            *(name, side, f"{c['points']:,}"),
            *(f"{c[f'{kind}_{level}_percent']:.1f}" for kind in kinds for level in SIGMAS),
            *(f"{c[f'{kind}_mean_pull']:+.3f}" for kind in kinds),
        )
        for name, model in figures.items()
        for side, c in model["coverage"].items()
    )
    bright = tuple(
        (name, model["binned_on"], f"{b['from']:g} to {b['to']:g}", f"{b['errors']['sources']:,}",
         *(_chi(b[k]) for k in kinds))
        for name, model in figures.items()
        for b in model["by_magnitude"]
    )  # fmt: skip
    labels = tuple(
        (name, model["binned_on"], label, cls, f"{chi['errors']['sources']:,}",
         *(_chi(chi[k]) for k in kinds))
        for name, model in figures.items()
        for label, classes in model["by_label"].items()
        if len(classes) <= MOST_CLASSES
        for cls, chi in classes.items()
    )  # fmt: skip
    note = "Median over sources, with the 16th to 84th percentile."
    within = tuple(f"{k} {level} %" for k in ("errors:", "with scatter:") for level in SIGMAS)
    pulls = ("mean pull, errors", "mean pull, with scatter")
    return [
        Table("chi by split", ("model", "split", "sources", *header), split, note),
        Table(
            "Points within 1 sigma (nominal 68.3 %) and 1.96 sigma (95 %)",
            ("model", "split", "points", *within, *pulls),
            cover,
        ),
        Table("chi by G", ("model", "split", "G [mag]", "sources", *header), bright, note,
              folded=True),
        Table("chi by label", ("model", "split", "label", "class", "sources", *header), labels,
              note, folded=True),
    ]  # fmt: skip


def _plots(figures: dict[str, Any]) -> list[Plot]:
    plots = []
    titles = {"errors": "errors only", "with_scatter": "with scatter"}
    panels = [
        (
            f"{name}, split: {model['binned_on']}",
            {
                title: [{"x": b["g_median"], **b[kind]} for b in model["by_magnitude"]]
                for kind, title in titles.items()
            },
        )
        for name, model in figures.items()
        if model["by_magnitude"]
    ]
    if panels:
        image = band_plot(panels, "G [mag]", "chi", line=1.0)
        caption = "Medians with 16 to 84 %; the dashed line is 1."
        plots.append(Plot("chi by magnitude", image, caption))
    names = [f"{name}, {side}" for name, model in figures.items() for side in model["coverage"]]
    covers = [cover for model in figures.values() for cover in model["coverage"].values()]
    series = {
        f"within {SIGMAS[level]:g} sigma, {title}": [c[f"{kind}_{level}_percent"] for c in covers]
        for kind, title in titles.items()
        for level in SIGMAS
    }
    image = bar_plot(names, series, "points [%]", lines=tuple(NOMINAL.values()), limit=108)
    plots.append(Plot("Coverage of sigma", image, "Dashed: what sigma promises (68.3 and 95 %)."))
    return plots


def _reading(figures: dict[str, Any]) -> str:
    parts = []
    for name, model in figures.items():
        side = "test" if "test" in model["coverage"] else next(iter(model["coverage"]))
        cover, chi = model["coverage"][side], model["chi"][side]["errors"]["p50"]
        parts.append(
            f"{name}: median chi {chi:.2f} by errors alone on the {side} split, "
            f"{cover['with_scatter_68_percent']:.0f} % of points within one sigma with scatter "
            f"(68 % promised)"
        )
    return "; ".join(parts) + "."
