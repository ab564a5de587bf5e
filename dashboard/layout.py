"""What stands where: header, left column, map, right column."""

from __future__ import annotations

import panel as pn

from dashboard import design
from dashboard.state import ExplorerState
from dashboard.views.colour import ColourView
from dashboard.views.legend import LegendView
from dashboard.views.map import MapView
from dashboard.views.search import SearchView
from dashboard.views.toolbar import StatusView, ToolbarView

LEFT_WIDTH, RIGHT_WIDTH = 280, 420


def explorer(state: ExplorerState) -> pn.viewable.Viewable:
    """Arrange the whole screen over one state."""
    picture = MapView(state)
    middle = pn.Column(
        ToolbarView(state, picture.tools),
        picture,
        StatusView(state),
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
    body = pn.Row(_left(state), middle, _right(state), sizing_mode="stretch_both", margin=0)
    return pn.Column(
        header, body, sizing_mode="stretch_both", margin=0, styles={"height": "100vh"}
    )


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
        stylesheets=[design.LEFT],
        margin=0,
    )


def _right(state: ExplorerState) -> pn.viewable.Viewable:
    from dashboard.views.selection import SelectionView
    from dashboard.views.similar import SimilarView
    from dashboard.views.source import SourceView
    from dashboard.views.walk import WalkView

    views = {
        "Source": SourceView(state),
        "Similar": SimilarView(state),
        "Selection": SelectionView(state),
        "Walk": WalkView(state),
    }
    for name, view in views.items():
        view.active = name == "Source"  # before they are arranged: hidden tabs must not draw
    tabs = pn.Tabs(
        *((name, _scrolled(view)) for name, view in views.items()),
        width=RIGHT_WIDTH,
        sizing_mode="stretch_height",
        stylesheets=[design.RIGHT],
        margin=0,
    )

    def opened(*_: object) -> None:
        for place, view in enumerate(views.values()):
            view.active = place == tabs.active

    tabs.param.watch(opened, "active")
    return tabs


def _scrolled(view: pn.viewable.Viewer) -> pn.viewable.Viewable:
    return pn.Column(
        view,
        width=RIGHT_WIDTH,
        sizing_mode="stretch_height",
        stylesheets=[design.SCROLL],
        margin=0,
    )
