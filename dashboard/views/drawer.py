"""The drawer below the map: histograms and planes of the same sources, one open at a time."""

from __future__ import annotations

from typing import Any

import panel as pn

from dashboard import design
from dashboard.drawer import HISTOGRAMS, TABS, HistogramPart, PlanePart
from dashboard.gestures import make_tools
from dashboard.state import ExplorerState

SHUT, OPEN, TALL = 32, 260, 460
_UP, _DOWN = "\N{BLACK UP-POINTING SMALL TRIANGLE}", "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"


class DrawerView(pn.viewable.Viewer):
    """A bar of tabs, 32 pixels; the open tab's controls and plot above the window's end.

    `tools` are the tools of its planes, for the toolbar to arm. Nothing is built before the
    drawer is opened first, and only the open tab draws.
    """

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self.tools = make_tools()
        self._document = pn.state.curdoc
        self._histogram: HistogramPart | None = None
        self._planes: PlanePart | None = None
        self._make_bar()
        self._body = pn.Row(
            sizing_mode="stretch_width", height=OPEN - SHUT, margin=0, visible=False
        )
        self._watch()
        self._show()

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            self._bar, self._body, sizing_mode="stretch_width", margin=0,
            stylesheets=[design.DRAWER],
        )  # fmt: skip

    def _make_bar(self) -> None:
        self.tabs = {name: _tab(title) for name, title in TABS.items()}
        for name, button in self.tabs.items():
            button.on_click(lambda _, name=name: self._clicked(name))
        self.fit = _tab("Fit", description="show the whole plane", visible=False)
        self.fit.on_click(lambda _: self._planes.fit() if self._planes else None)
        self.taller = _tab("Taller", description="more height for the plot", visible=False)
        self.taller.on_click(lambda _: self._stretch())
        self.switch = _tab(_UP, description="open or shut the drawer (j)")
        self.switch.on_click(lambda _: self._switch())
        self._bar = pn.Row(
            *self.tabs.values(), pn.Spacer(sizing_mode="stretch_width"), self.fit, self.taller,
            self.switch, sizing_mode="stretch_width", height=SHUT, margin=0,
        )  # fmt: skip

    def _watch(self) -> None:
        watch = self.state.param.watch
        place = ["bundle_name", "space_name"]
        look = ["palette", "reverse_palette", "scale", "clip"]
        watch(self._show, ["drawer_open", "drawer_tab", "drawer_choice", *place])
        watch(self._recolour, ["colour_by", "hidden_classes", "selection", *look])
        watch(self._mark, ["current_row", "hits"])

    # What a hand asks for

    def _clicked(self, name: str) -> None:
        """Open a tab; the open one shuts the drawer."""
        shut = self.state.drawer_open and self.state.drawer_tab == name
        self.state.param.update(drawer_open=not shut, drawer_tab=name)

    def _switch(self) -> None:
        self.state.drawer_open = not self.state.drawer_open

    def _stretch(self) -> None:
        tall = self._body.height == OPEN - SHUT
        self._body.height = (TALL if tall else OPEN) - SHUT
        self.taller.name = "Lower" if tall else "Taller"

    # What the state tells

    def _show(self, *_: Any) -> None:
        is_open, tab = self.state.drawer_open, self.state.drawer_tab
        for name, button in self.tabs.items():
            button.css_classes = ["open"] if is_open and name == tab else []
        self._body.visible = self.taller.visible = is_open
        self.fit.visible = is_open and tab != HISTOGRAMS
        self.switch.name = _DOWN if is_open else _UP
        wanted = self._part(tab) if is_open else None
        for part in (self._histogram, self._planes):
            if part is not None and part is not wanted:
                part.shut()
        if wanted is not None:
            wanted.open(tab)

    def _part(self, tab: str) -> HistogramPart | PlanePart:
        """Return what shows a tab; it is made when its first tab is opened."""
        if tab == HISTOGRAMS:
            if self._histogram is None:
                self._histogram = HistogramPart(self.state, self._document)
                self._body.extend([self._histogram.controls, self._histogram.plot])
            return self._histogram
        if self._planes is None:
            self._planes = PlanePart(self.state, self._document, self.tools)
            self._body.extend([self._planes.controls, self._planes.plot])
        return self._planes

    def _recolour(self, *_: Any) -> None:
        for part in (self._histogram, self._planes):
            if part is not None:
                part.recolour()

    def _mark(self, *_: Any) -> None:
        if self._planes is not None:
            self._planes.mark()


def _tab(title: str, **options: Any) -> pn.widgets.Button:
    return pn.widgets.Button(name=title, margin=0, stylesheets=[design.DRAWER_TAB], **options)
