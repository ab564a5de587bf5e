"""Section: how much of the neighborhoods in latent space each map keeps."""

from __future__ import annotations

from typing import Any

from latent_core.map_quality import SAMPLE, map_quality
from latent_core.report.anchors import anchors_of
from latent_core.report.classification import published_table
from latent_core.report.content import Context, Plot, Section, Table
from latent_core.report.plots import bar_plot
from latent_core.similarity import Scaling

NEIGHBORHOODS = (15, 50)


def maps(context: Context) -> Section | None:
    """Measure neighbor preservation and trustworthiness of every map."""
    figures: dict[str, Any] = {}
    for space, shown in context.maps:
        context.say(f"maps: {shown.name}")
        z = Scaling.fit(space.x).apply(space.x)
        figures[shown.name] = {
            f"k={k}": map_quality(z, shown.x, neighbors=k) for k in NEIGHBORHOODS
        }
    if not figures:
        return None
    names = list(figures)
    kept = {
        f"of the {k} nearest": [100 * figures[n][f"k={k}"]["neighbors_kept"] for n in names]
        for k in NEIGHBORHOODS
    }
    rows = tuple(
        (
            name,
            str(quality["neighbors"]),
            f"{100 * quality['neighbors_kept']:.1f}",
            f"{100 * quality['neighbors'] / quality['sources']:.2f}",
            f"{quality.get('trustworthiness_in_sample', float('nan')):.3f}",
            f"{quality['asked']:,} of {quality['sources']:,}",
        )
        for name in names
        for quality in figures[name].values()
    )
    header = (
        *("map", "k", "neighbors kept %", "a random map keeps %"),
        *("trustworthiness (within sample)", "sources asked"),
    )
    best = max(names, key=lambda n: figures[n]["k=15"]["neighbors_kept"])
    share = 100 * figures[best]["k=15"]["neighbors_kept"]
    return Section(
        "maps",
        "Maps",
        f"A map is a sketch: of the 15 sources nearest in latent space the best map here ({best}) "
        f"keeps {share:.0f} % among its own 15 nearest; search in latents, never on a map.",
        f"{context.data}; all sources of a space are on its map, up to {SAMPLE:,} seeded random "
        "ones are asked against all; distances in z-scored latents. No split: a map has none.",
        {"maps": figures, "published": anchors_of("maps")},
        (Table("Neighborhoods kept", header, rows), published_table("maps")),
        (Plot("Neighbors kept", bar_plot(names, kept, "true neighbors kept on the map [%]")),),
    )
