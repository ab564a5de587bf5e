"""Sources most like the current one, by distance in latent space with a weight for each block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models.widgets.tables import NumberFormatter
from numpy.typing import NDArray

from dashboard.cards import block_names, block_title
from dashboard.colouring import Classes, colouring
from dashboard.controls import bar_formatter, button, checkbox, member_table, select, slider
from dashboard.lazy import LazyView, class_texts
from dashboard.limits import within
from dashboard.markup import html_pane, sentence
from dashboard.state import ExplorerState
from dashboard.theme import class_title
from latent_core import LatentSpace
from latent_core.errors import InputError, LatentError
from latent_core.frames import LazyFrame

COUNTS = (10, 24, 50)
MORE = 100  # sources that a selection is given at most, each press
ID, RANK = "source_id", "#"


def hit_table(
    hits: pd.DataFrame, frame: LazyFrame, class_column: str | None, magnitude: str | None
) -> pd.DataFrame:
    """Return what the list shows: rank, id as text, class, G, distance and one column a block."""
    rows = hits["row"].to_numpy()
    shown: dict[str, Any] = {RANK: np.arange(1, len(hits) + 1)}
    shown[ID] = [str(i) for i in hits["source_id"]]
    if class_column:
        names = class_texts(frame[class_column].iloc[rows])
        shown["class"] = [class_title(name) for name in names]
    if magnitude:
        shown["G"] = frame[magnitude].to_numpy()[rows]
    shown["distance"] = hits["distance"].to_numpy()
    for name in hits.columns:
        if name.startswith("distance_"):
            shown[name.removeprefix("distance_")] = hits[name].to_numpy()
    return pd.DataFrame(shown)


def search_sentence(
    searched: int, space: LatentSpace, known: Sequence[str], exact: bool = True
) -> str:
    """Say what was searched, where and how; `known` are the blocks that the query has.

    A search that is not proven says how many of the true neighbors such searches find.
    """
    parts = [space.blocks[name] for name in known]
    dimensions = sum(part.stop - part.start for part in parts)
    alone = "" if len(known) == len(space.blocks) else f", by {block_names(known)} alone"
    where = f"in {dimensions}-D latent space{alone} (never on the map)."
    if exact:
        return f"Exact: searched {searched:,} of {len(space.present):,} sources {where}"
    plan = space.index.plan
    return (
        f"Approximate: finds {shortened_percent(plan.recall)} of the true {plan.neighbors} "
        f"nearest (measured on {plan.asked} sources), among {searched:,} sources {where}"
    )


def shortened_percent(share: float) -> str:
    """Write a share in percent with one decimal, rounded down: 99.97 % is not 100 %."""
    return f"{math.floor(1000 * share) / 10:g} %"


class SimilarView(LazyView):
    """A numbered list of hits; stepping through it moves the card, not the query."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__(
            state, ("bundle_name", "space_name", "current_row", "selection", "class_column")
        )
        self.query = -1
        self._stepping = False
        self._sliders_of: tuple[str, str] | None = None
        self._make_controls()
        self.sliders: dict[str, Any] = {}
        self._slider_box = pn.FlexBox(margin=(0, 2))
        self.title, self.summary = html_pane(margin=(6, 8, 0, 8)), html_pane()
        self.list = member_table(height=430, sortable=False)
        self.list.on_click(self._clicked)
        self._body = pn.Column(
            self.title,
            self._slider_box,
            pn.Row(self.count, self.only_selection, self.other_class, self.exact, margin=(0, 4)),
            self.summary,
            pn.Row(self.back, self.earlier, self.later, self.here, self.keep, margin=(0, 4)),
            self.list,
            visible=False,
        )
        self._layout = pn.Column(
            self.notice, self._body, pn.Row(self.more, margin=(0, 4)), sizing_mode="stretch_width"
        )

    def _make_controls(self) -> None:
        self.count = select("hits", list(COUNTS), value=24, width=72)
        self.only_selection = checkbox("only the selection")
        self.other_class = checkbox("not its own class")
        self.exact = checkbox("exact")
        for widget in (self.count, self.only_selection, self.other_class, self.exact):
            widget.param.watch(self._asked, "value")
        self.back = button("Back", on_click=lambda _: self._step_to(self.query))
        self.earlier = button("‹", description="earlier hit", on_click=lambda _: self._step(-1))
        self.later = button("›", description="next hit", on_click=lambda _: self._step(1))
        self.here = button("Search from here", on_click=lambda _: self._search_from_here())
        self.keep = button("Select hits", on_click=lambda _: self._select_hits())
        self.more = button(
            "Select more like the selection",
            description="sources outside it that most of its members name as neighbors",
            on_click=lambda _: self.guard(self._select_more),
        )

    def __panel__(self) -> pn.viewable.Viewable:
        """Return controls and list."""
        self.refresh()
        return self._layout

    def _changed(self, *events: Any) -> None:
        names = {event.name for event in events}
        if names == {"selection"} and not self.only_selection.value:
            return
        if self._stepping and names == {"current_row"}:
            self._enable_buttons()
            return
        if not self.active and not self._still_listed():
            self.state.hits = None
        super()._changed(*events)

    def _asked(self, *_: Any) -> None:
        self._stale = True
        self.refresh()

    def _draw(self) -> None:
        state = self.state
        if self.query < 0 or not self._still_listed():
            self.query = state.current_row
        there = 0 <= self.query < state.size
        self._body.visible = there
        self.say("" if there else "Click a source on the map to search for sources like it.")
        if there:
            self._make_sliders()
            self._search()

    def _still_listed(self) -> bool:
        """Whether the open card belongs to the list: then the query stays."""
        hits, row = self.state.hits, self.state.current_row
        return row == self.query or (hits is not None and row in set(hits["row"]))

    def _make_sliders(self) -> None:
        space, key = self.state.space, (self.state.bundle_name, self.state.space_name)
        if self._sliders_of == key:
            return
        self._sliders_of, self.sliders = key, {}
        if len(space.blocks) > 1:
            self.sliders = {name: self._slider(name) for name in space.blocks}
        self._slider_box.objects = list(self.sliders.values())
        self.exact.visible = space.index.plan.budget is not None

    def _slider(self, block: str) -> Any:
        weight = slider(
            f"{block_title(block)} weight", 0.0, 2.0, 1.0, step=0.05, width=110, margin=(0, 10)
        )
        weight.param.watch(self._asked, "value")
        return weight

    def _where(self) -> NDArray[np.bool_] | None:
        """Return the rows that the boxes allow, None for all."""
        state, allowed = self.state, None
        if self.only_selection.value:
            allowed = state.selection.to_mask()
        if self.other_class.value and self.class_column:
            found = colouring(state.bundle, state.space_name, self.class_column)
            labels = found.codes if isinstance(found, Classes) else found.values
            others = labels != labels[self.query]
            allowed = others if allowed is None else allowed & others
        return allowed

    def _searched(self, where: NDArray[np.bool_] | None) -> int:
        """Return among how many other sources was searched."""
        space, allowed = self.state.space, where
        if allowed is not None and len(space.present) < len(allowed):
            allowed = allowed[space.present]
        count = len(space.present) if allowed is None else np.count_nonzero(allowed)
        whole = bool(np.isfinite(space.latents[self.query]).all())
        return int(count) - int(whole and (where is None or where[self.query]))

    def _search(self) -> None:
        state = self.state
        source_id = int(state.bundle.folder.catalog.source_id[self.query])
        self.title.object = sentence(f"Most like {source_id}:")
        weights = {n: within(s.value, 0, 2, "weight") for n, s in self.sliders.items()}
        plain = all(weight == 1 for weight in weights.values())
        where = self._where()
        count = int(self.count.value) if self.count.value in COUNTS else COUNTS[1]
        try:
            hits = state.space.similar(
                source_id,
                count,
                weights=None if plain else weights,
                where=where,
                exact=bool(self.exact.value),
            )
        except LatentError:
            state.hits = None
            self.list.value = pd.DataFrame()
            raise
        known = state.space.known_blocks(state.space.latents[self.query])
        said = search_sentence(self._searched(where), state.space, known, hits.attrs["exact"])
        self.summary.object = sentence(said)
        self._fill(hits)
        state.hits = hits
        self._enable_buttons()

    def _fill(self, hits: pd.DataFrame) -> None:
        shown = hit_table(hits, self._table, self.class_column, self.magnitude_column)
        formatters: dict[str, Any] = {ID: {"type": "plaintext"}, "class": {"type": "plaintext"}}
        formatters |= {name: NumberFormatter(format="0.00") for name in ("G", "distance")}
        widths: dict[str, Any] = {RANK: 24, ID: 152, "class": 50, "G": 42, "distance": 40}
        blocks = list(shown.columns[list(shown.columns).index("distance") + 1 :])
        if len(blocks) < 2:
            shown = shown.drop(columns=blocks)
            blocks = []
        shown = shown.drop(columns=[n for n in blocks if shown[n].isna().all()])
        blocks = [n for n in blocks if n in shown]
        longest = max((float(shown[name].max()) for name in blocks if len(shown)), default=1.0)
        for name in blocks:
            formatters[name] = bar_formatter(longest)
            widths[name] = 30 if len(blocks) > 2 else 46
        self.list.param.update(
            value=shown,
            formatters=formatters,
            widths=widths,
            titles={"distance": "dist.", **{name: block_title(name) for name in blocks}},
        )

    def _clicked(self, event: Any) -> None:
        self._step_to_hit(int(event.row))

    def _step_to_hit(self, place: int) -> None:
        hits = self.state.hits
        if hits is not None and 0 <= place < len(hits):
            self._step_to(int(hits["row"].iloc[place]))

    def _step(self, by: int) -> None:
        hits = self.state.hits
        if hits is None:
            return
        places = np.flatnonzero(hits["row"].to_numpy() == self.state.current_row)
        now = int(places[0]) if len(places) else -1
        self._step_to_hit(min(max(now + by, 0), len(hits) - 1))

    def _step_to(self, row: int) -> None:
        """Open another card and keep the list."""
        self._stepping = True
        try:
            self.open_source(row)
        finally:
            self._stepping = False
        self._enable_buttons()

    def _search_from_here(self) -> None:
        self.query = self.state.current_row
        self._asked()

    def _enable_buttons(self) -> None:
        away = self.state.current_row != self.query
        self.back.disabled = self.here.disabled = not away

    def _select_hits(self) -> None:
        if self.state.hits is not None and len(self.state.hits):
            self.state.select(self.state.hits["row"].to_numpy(np.int64))

    def _select_more(self) -> None:
        """Select the sources beside the selection that its members name."""
        state = self.state
        if not state.selection.any():
            raise InputError("nothing is selected", remedy="draw a lasso (l) on the map first")
        more = state.space.like_these(state.selection.to_rows(), MORE)
        self.say("")
        if not len(more):
            state.status = "every neighbor of the selection is in it"
            return
        asked = state.selection.count
        state.select(more["row"].to_numpy(np.int64), "new")
        state.status = f"selected {len(more):,} that stand beside the {asked:,} selected before"
