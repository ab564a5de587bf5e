"""What stands where: header, left column, map with the drawer below it, right column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
from panel.io.state import set_curdoc

from dashboard import design
from dashboard.limits import choice
from dashboard.mine import MINE_TAB
from dashboard.state import ExplorerState
from dashboard.views.colour import ColourView
from dashboard.views.drawer import DrawerView
from dashboard.views.legend import LegendView
from dashboard.views.map import MapView
from dashboard.views.search import SearchView
from dashboard.views.toolbar import StatusView, ToolbarView

LEFT_WIDTH, RIGHT_WIDTH = 280, 420
# Windows narrower than this fold a column away: the map keeps 480 pixels.
LEFT_FROM, RIGHT_FROM = 1200, 920
PATIENCE_MS = 4000  # how long the right column waits for the map's picture


def explorer(state: ExplorerState) -> pn.viewable.Viewable:
    """Arrange the whole screen over one state."""
    picture, drawer = MapView(state), DrawerView(state)
    middle = pn.Column(
        ToolbarView(state, picture.tools, drawer.tools),
        picture,
        StatusView(state),
        drawer,
        sizing_mode="stretch_both",
        stylesheets=[design.MIDDLE],
        margin=0,
    )
    header = pn.Column(
        SearchView(state),
        height=49,
        sizing_mode="stretch_width",
        stylesheets=[design.HEADER],
        margin=0,
    )
    left, right = _left(state), _right(state)
    _switch(state, "left_switched", left)
    _switch(state, "right_switched", right)
    body = pn.Row(
        left, middle, right, sizing_mode="stretch_both", stylesheets=[design.BODY], margin=0
    )
    return pn.Column(
        header, body, sizing_mode="stretch_both", margin=0, styles={"height": "100vh"}
    )


def _switch(state: ExplorerState, name: str, column: pn.viewable.Viewable) -> None:
    def show(event: Any) -> None:
        column.css_classes = ["switched"] if event.new else []

    state.param.watch(show, name)


def _left(state: ExplorerState) -> pn.viewable.Viewable:
    return pn.Column(
        ColourView(state),
        pn.Column(
            LegendView(state),
            sizing_mode="stretch_width",
            stylesheets=[design.RULED],
            margin=(8, 0, 10, 0),
        ),
        width=LEFT_WIDTH,
        sizing_mode="stretch_height",
        stylesheets=[design.LEFT, design.folding("left", LEFT_FROM)],
        margin=0,
    )


def _right(state: ExplorerState) -> pn.viewable.Viewable:
    """Return the right column: empty until the map is on the screen, then its tabs of cards.

    The cards are half of a page's models, and the first of them asks for torch, which takes
    seconds; the map's picture waits for neither.
    """
    column = pn.Column(
        width=RIGHT_WIDTH,
        sizing_mode="stretch_height",
        stylesheets=[design.folding("right", RIGHT_FROM)],
        margin=0,
    )

    _after_the_picture(lambda: _fill(column, state))
    return column


def _after_the_picture(work: Callable[[], Any]) -> None:
    """Do something once the browser has painted the map; at once where there is no browser."""
    waiting = [work]

    def do() -> None:
        if waiting:
            with set_curdoc(document):  # else Panel takes its sheets from the net
                waiting.pop()()

    document = pn.state.curdoc

    def loaded() -> None:
        painted = document.select_one({"name": "painted"}) if document else None
        if painted is None or painted.tags:
            do()
            return

        def told(attr: str, old: Any, new: Any) -> None:
            document.add_next_tick_callback(do)

        painted.on_change("tags", told)
        document.add_timeout_callback(do, PATIENCE_MS)

    pn.state.onload(loaded)


def _fill(column: pn.Column, state: ExplorerState) -> None:
    """Draw the open tab and the similar sources, then put the tabs on the page as a whole: a
    change that follows a new model at once reaches a browser that has not built it yet.
    """
    from dashboard.views.mine import MineView
    from dashboard.views.selection import SelectionView
    from dashboard.views.similar import SimilarView
    from dashboard.views.source import SourceView
    from dashboard.views.walk import WalkView

    views = {
        "Source": SourceView(state),
        "Similar": SimilarView(state),
        "Selection": SelectionView(state),
        "Walk": WalkView(state),
        MINE_TAB: MineView(state),
    }
    for view in views.values():
        view.active = False  # before they are arranged: hidden tabs must not draw
    tabs = pn.Tabs(
        *((name, _scrolled(view)) for name, view in views.items()),
        width=RIGHT_WIDTH,
        sizing_mode="stretch_height",
        stylesheets=[design.RIGHT],
        margin=0,
    )

    def opened(*_: object) -> None:
        for place, (name, view) in enumerate(views.items()):
            view.active = place == tabs.active
            if view.active:
                state.tab = name

    def asked(event: Any) -> None:
        tabs.active = list(views).index(choice(event.new, list(views), "tab"))

    tabs.param.watch(opened, "active")
    state.param.watch(asked, "tab")
    opened()
    views["Similar"].draw_ahead()
    column.append(tabs)


def _scrolled(view: pn.viewable.Viewer) -> pn.viewable.Viewable:
    return pn.Column(
        view,
        width=RIGHT_WIDTH,
        sizing_mode="stretch_height",
        stylesheets=[design.SCROLL],
        margin=0,
    )
