"""Section: what one modality tells of another, and how honest the spread of that guess is."""

from __future__ import annotations

from typing import Any

from latent_core.crossmodal import NEIGHBORS, prediction_skill
from latent_core.opened import Bundle
from latent_core.report.content import Context, Section, Table

ASKED = 500
NOMINAL = 68
FEWEST = 500


def crossmodal(context: Context) -> Section | None:
    """Predict every block of every space from its other blocks."""
    figures: dict[str, Any] = {}
    bundle = Bundle(context.folder)
    for name in bundle.spaces:
        space = bundle.space(name)
        if len(space.blocks) < 2 or len(space.present) < FEWEST:
            continue
        context.say(f"one modality from the others: {name}")
        figures[name] = {
            block: prediction_skill(space, block, asked=ASKED) for block in space.blocks
        }
    if not figures:
        return None
    rows = [
        (name, block, skill) for name, blocks in figures.items() for block, skill in blocks.items()
    ]
    best = max(rows, key=lambda row: row[2]["explained"])
    worst = min(rows, key=lambda row: row[2]["explained"])
    return Section(
        "crossmodal",
        "One modality from the others",
        f"Best told by the others is {best[1]} ({best[0]}): {100 * best[2]['explained']:.0f} % of "
        f"its variance; least {worst[1]} ({worst[0]}): {100 * worst[2]['explained']:.0f} %. A "
        "predicted curve is a guess and is drawn with its spread.",
        f"{context.data}; up to {ASKED:,} seeded random sources of a space, each left out itself; "
        f"the {NEIGHBORS} sources nearest in the other blocks are the sample. No split.",
        {"spaces": figures, "nominal_coverage_percent": NOMINAL},
        (
            Table(
                "Block predicted from the others",
                (
                    "space",
                    "block",
                    "variance explained %",
                    f"truth within 16-84 % ({NOMINAL})",
                    "sources",
                ),
                tuple(
                    (
                        name,
                        block,
                        f"{100 * skill['explained']:.1f}",
                        f"{skill['coverage_percent']:.1f} %",
                        f"{skill['sources']:,}",
                    )
                    for name, block, skill in rows
                ),
                "0 % explained is no better than the mean of all sources; below 0 is worse.",
            ),
        ),
    )
