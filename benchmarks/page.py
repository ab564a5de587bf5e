"""bench.json as one page that needs nothing else: limits, ratios by topic, and growth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from growth import plots
from jinja2 import Environment, FileSystemLoader, select_autoescape

TEMPLATE = Path(__file__).with_name("page.html.j2")
# In the order of the page; a benchmark that is not named here comes last, under its own name.
TOPICS = {
    "limits": "What this machine can do",
    "screen": "From the hand to the picture, in a browser",
    "drawing": "One picture on the server",
    "selecting": "Selecting",
    "similarity": "Similar sources",
    "map": "Projection",
    "growth": "How costs grow",
    "pipeline": "Pipeline",
    "training": "Training and encoding",
    "vaes": "Training beside the matrix rate",
    "xp_operator": "Spectra",
    "periods": "Periods",
    "simulate": "Simulating",
    "ingest": "Ingest",
    "start": "Start of a command",
    "sessions": "Opening and sessions",
    "peer": "Beside embedding-atlas",
    "scatter_vae": "Real stars: the scatter VAE",
    "light_curves": "Real stars: light curves",
    "masked": "Real stars: the masked autoencoder",
    "xp_realism": "Real stars: are simulated spectra alike",
}
Figure = Mapping[str, Any]


def number(value: float | None) -> str:
    """Return three digits of a number, without an exponent where it can be read."""
    if value is None:
        return ""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e9 else f"{value:.2g}"


def verdict(figure: Figure) -> str:
    if figure["limit"] is None:
        return ""
    return "MISSED" if figure["missed"] else "reached"


def ratio(figure: Figure) -> str:
    """Say how ours stands to the other way; to a physical limit, as a share of it."""
    if figure["ratio"] is None:
        return ""
    if figure.get("physical"):
        return f"{number(100 * figure['ratio'])} % of it"
    return f"{number(figure['ratio'])} x"


def figures_of(part: Mapping[str, Any]) -> Iterator[Figure]:
    for result in part["results"].values():
        yield from result.get("figures", ())


def limits(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every figure that has a limit, what was missed first; beside several ways, once."""
    found = {
        (part["name"], figure["what"]): {**figure, "topic": topic(part), "key": part["name"]}
        for part in parts
        for figure in figures_of(part)
        if figure["limit"] is not None
    }
    return sorted(found.values(), key=lambda figure: not figure["missed"])


def topic(part: Mapping[str, Any]) -> str:
    return TOPICS.get(part["name"], str(part["name"]).replace("_", " ").capitalize())


def place(name: str) -> tuple[int, str]:
    """Return where a benchmark stands on the page, and when it runs."""
    return (list(TOPICS).index(name) if name in TOPICS else len(TOPICS), name)


def ordered(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    told = [{**part, "topic": topic(part), "figures": list(figures_of(part))} for part in parts]
    return sorted(told, key=lambda part: place(part["name"]))


def page_of(content: Mapping[str, Any]) -> str:
    """Return the page of a run as HTML that loads nothing."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=select_autoescape(["j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "verdict": verdict, "ratio": ratio}
    parts = ordered(content["parts"])
    return environment.get_template(TEMPLATE.name).render(
        run=content,
        parts=parts,
        limits=limits(parts),
        plots=plots(parts),
    )
