"""The card of a source that the visitor brought: how it was placed, its curves, its neighbors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
from bokeh.models.widgets.tables import NumberFormatter

from dashboard.cards import DEAD_LATENT, ModalityCard, modality_title
from dashboard.controls import member_table
from dashboard.lazy import class_texts
from dashboard.markup import (
    badge,
    facts,
    folded_away,
    heading,
    html_pane,
    number,
    sentence,
    with_error,
)  # fmt: skip
from dashboard.mine import Mine
from dashboard.state import ExplorerState
from dashboard.theme import class_title

NEAREST = 6
GOOD = (
    '<span class="badge" style="background:#166534;margin-left:0">inside the training data</span>'
)
BAD = '<span class="badge" style="margin-left:0">OUTSIDE the training data</span>'


class OwnCard(pn.viewable.Viewer):
    """Draws one source of `state.mine`; `opened(row)` is told of a neighbor that was clicked."""

    def __init__(self, state: ExplorerState, opened: Callable[[int], None]) -> None:
        super().__init__()
        self.state, self._opened = state, opened
        self.head, self.facts = html_pane(), html_pane()
        self.nearest_note = html_pane(margin=(8, 8, 0, 8))
        self.nearest = member_table(height=180, sortable=False)
        self.nearest.on_click(self._clicked)
        self._rows: list[int] = []
        self._plots = pn.Column(sizing_mode="stretch_width")
        self._layout = pn.Column(
            self.head, self.facts, self._plots, self.nearest_note, self.nearest,
            sizing_mode="stretch_width",
        )  # fmt: skip

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the card."""
        return self._layout

    def show(self, mine: Mine, item: int) -> None:
        """Draw one source; LatentError where a model of the bundle is damaged."""
        placed = mine.placed
        self.head.object = self._head(mine, item)
        parts = [facts(mine.told(item))]
        if latents := self._latents(mine, item):
            note = f"{len(latents)} latents ± the encoder's sigma"
            parts.append(folded_away(note, facts(latents)))
        self.facts.object = "".join(parts)
        self._draw_curves(mine, item)
        if np.isfinite(placed.latents[item]).any():
            self._list_nearest(placed.latents[item])
        else:
            self._rows = []
            self.nearest_note.object = sentence(f"No latents: {placed.reason[item]}.")
        self.nearest.visible = bool(self._rows)

    def _head(self, mine: Mine, item: int) -> str:
        from latent_core.placing import placing_method

        space, placed = self.state.space, mine.placed
        simulated = badge("SIMULATED MAP") if self.state.bundle.simulated else ""
        text = f'<p><span class="id">mine: {placed.source_id[item]}</span>{simulated}</p>'
        if mine.place(item) is None:
            return text + sentence(f"Not on the map: {placed.reason[item]}.", alert=True)
        method = placing_method(space, placed.latents[item], self.state.projection_name)
        where = self._also(mine, item) if mine.rows[item] >= 0 else "Not in the catalog: placed"
        text += (
            sentence(f"{where} by {method}.") + f"<p>{GOOD if placed.inside[item] else BAD}</p>"
        )
        reasons = [why for why in placed.reason[item].split("; ") if why]
        return text + "".join(sentence(why[:1].upper() + why[1:] + ".") for why in reasons)

    def _also(self, mine: Mine, item: int) -> str:
        """Say how far the given data lie from what the catalog holds of the same source."""
        space, row = self.state.space, int(mine.rows[item])
        apart = space.scaling.apply(mine.placed.latents[item]) - space.scaling.apply(
            space.latents[row]
        )
        known = apart[np.isfinite(apart)]
        on_map = np.hypot(*(mine.placed.coordinates[item] - mine.own_places[item]))
        x0, x1, _, _ = self.state.drawing.extent
        return (
            f"Also in the catalog, which stays as it is: the data given here differ by "
            f"{number(float(np.linalg.norm(known)), 3)} in {len(known)} z-scored latents and by "
            f"{number(float(on_map), 3)} on the map (it is {number(x1 - x0, 3)} wide). Placed"
        )

    def _latents(self, mine: Mine, item: int) -> list[tuple[str, str]]:
        space, placed = self.state.space, mine.placed
        values = zip(placed.latent_names, placed.latents[item], placed.sigmas[item], strict=True)
        return [
            (name, DEAD_LATENT if name in space.dead else with_error(float(z), float(sigma)))
            for name, z, sigma in values
            if np.isfinite(z)
        ]

    def _draw_curves(self, mine: Mine, item: int) -> None:
        from latent_core.placing import curves_of

        cards = []
        for block, model in self.state.space.models.items():
            observed, decoded = curves_of(self.state.space, mine.placed, block, item)
            if observed or decoded:
                card = ModalityCard(modality_title(model))
                card.show(observed, decoded)
                cards.append(card)
        self._plots.objects = cards

    def _list_nearest(self, latents: Any) -> None:
        state = self.state
        hits = state.space.similar_to(latents, NEAREST)
        self._rows = [int(row) for row in hits["row"]]
        shown = hits[["source_id", "distance"]].copy()
        shown["source_id"] = shown["source_id"].astype(str)
        if state.class_column:
            names = class_texts(state.frame[state.class_column].iloc[self._rows])
            shown.insert(1, "class", [class_title(name) for name in names])
        plain = {"type": "plaintext"}
        self.nearest.param.update(
            value=shown,
            formatters={"source_id": plain, "class": plain,
                        "distance": NumberFormatter(format="0.00")},
            widths={"source_id": 170, "class": 110, "distance": 70},
        )  # fmt: skip
        mark = ", simulated" if state.bundle.simulated else ""
        self.nearest_note.object = heading(
            f"Nearest in the catalog{mark}", "in latent space; click opens the card"
        )

    def _clicked(self, event: Any) -> None:
        if 0 <= int(event.row) < len(self._rows):
            self._opened(self._rows[int(event.row)])
