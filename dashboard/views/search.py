"""The header: what is open, the search box, and the count pill."""

from __future__ import annotations

from typing import Any

import panel as pn

from dashboard.design import only_from
from dashboard.limits import LimitError, choice, id_text, safe_text
from dashboard.state import ExplorerState

_CHIP = "padding:2px 8px;border-radius:10px;font-size:12px;white-space:nowrap;"
_FIELD = {"height": 32, "margin": (8, 4)}


class SearchView(pn.viewable.Viewer):
    """Bundle, space and map selectors, the search by source_id, and counts."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self._syncing, self._shown = False, state.bundle_name
        self.bundle = pn.widgets.Select(options=list(state.bundles), width=185, **_FIELD)
        self.space = pn.widgets.Select(width=165, **_FIELD)
        self.map = pn.widgets.Select(width=110, **_FIELD)
        self.box = pn.widgets.TextInput(
            placeholder="source_id, e.g. Gaia DR3 4295806720", width=255, height=32,
            margin=(8, 4, 8, 16),
        )  # fmt: skip
        self.answer = pn.pane.HTML(
            margin=(13, 4), styles={"color": "#9A3412"}, sizing_mode="stretch_width"
        )
        self.chip = pn.pane.HTML(margin=(12, 6), stylesheets=[only_from(1000)])
        self.pill = pn.pane.HTML(margin=(12, 4))
        self.clear = pn.widgets.Button(
            name="Clear", margin=(9, 2), height=30, visible=False, description="select nothing"
        )
        self._connect()
        self._show()
        self._count()

    def __panel__(self) -> pn.viewable.Viewable:
        title = pn.pane.HTML(
            '<span style="font-size:15px;font-weight:650;letter-spacing:-.01em;'
            'white-space:nowrap">Gaia Latent Explorer</span>',
            margin=(11, 14, 8, 4),
            stylesheets=[only_from(1200)],
        )
        return pn.Row(
            title, self.bundle, self.space, self.map, self.chip, self.box, self.answer,
            self.pill, self.clear, sizing_mode="stretch_width", height=48, margin=0,
        )  # fmt: skip

    def _connect(self) -> None:
        state = self.state
        for widget, known, act in (
            (self.bundle, lambda: list(state.bundles), state.open_bundle),
            (self.space, lambda: state.bundle.spaces, state.open_space),
            (self.map, lambda: state.space.projections, state.open_projection),
        ):
            widget.param.watch(self._opener(known, act), "value")
        self.box.param.watch(self._search, "enter_pressed")
        self.clear.on_click(lambda _: state.clear_selection())
        place = ["bundle_name", "space_name", "projection_name"]
        state.param.watch(self._show, place)
        state.param.watch(self._count, [*place, "selection", "hidden_classes"])

    def _opener(self, known: Any, act: Any) -> Any:
        def opened(event: Any) -> None:
            if self._syncing:
                return
            try:
                act(choice(event.new, known()))
            except LimitError:
                self._show()

        return opened

    def _search(self, event: Any) -> None:
        try:
            text = id_text(self.box.value_input or self.box.value)
            if text:
                before = self.state.current_row
                self.state.search(text)
                found = self.state.current_row != before or self.state.status.startswith("centred")
                self.answer.object = "" if found else safe_text(self.state.status)
        except LimitError as error:
            self.answer.object = safe_text(error)

    def _show(self, *_: Any) -> None:
        state, self._syncing = self.state, True
        if self._shown != state.bundle_name:
            self.box.param.update(value="", value_input="")  # an id of the bundle before
        self.bundle.value = self._shown = state.bundle_name
        spaces = {state.bundle.space(name).title: name for name in state.bundle.spaces}
        self.space.param.update(options=spaces, value=state.space_name)
        maps = list(state.space.projections)
        self.map.param.update(options=maps, value=state.projection_name)
        self.space.visible, self.map.visible = len(spaces) > 1, len(maps) > 1
        self._syncing = False
        self.answer.object = ""
        simulated = f'<b style="{_CHIP}background:#FDE68A;color:#713F12">simulated</b>'
        version = f'<span style="color:#5B6675">{safe_text(state.bundle.folder.version)}</span>'
        self.chip.object = (simulated + " " if state.bundle.simulated else "") + version

    def _count(self, *_: Any) -> None:
        text = counts(self.state)
        some = self.state.selection.any()
        back, ink = ("#E4ECFB", "#173E9C") if some else ("#EEF1F4", "#3A4552")
        style = f"{_CHIP}background:{back};color:{ink};font-variant-numeric:tabular-nums"
        self.pill.object = f'<span class="pill" style="{style}">{safe_text(text)}</span>'
        self.clear.visible = some


def counts(state: ExplorerState) -> str:
    """Write the count pill: selected (and hidden ones) / shown / total, always exact."""
    shown = state.shown
    selected = (state.selection & shown).count
    hidden = state.selection.count - selected
    more = f" (+{hidden:,} hidden)" if hidden else ""
    total = f"{shown.count:,} shown / {state.size:,} total"
    return f"{selected:,} selected{more} / {total}" if selected or hidden else total
