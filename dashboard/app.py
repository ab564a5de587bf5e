"""The served application: one session a visitor over bundles that all sessions share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import DocumentReady
from bokeh.models import CustomJS
from panel.io.resources import LOCAL_DIST
from panel.reactive import Syncable
from panel.theme import Inherit, Native
from panel.viewable import Viewable
from tornado.ioloop import IOLoop

from dashboard import design
from dashboard.colouring import colour_choices
from dashboard.histogram import warm as warm_histograms
from dashboard.layering import layers_of
from dashboard.layout import explorer
from dashboard.memory import give_back_soon, keep_heaps, somebody_came
from dashboard.picture import FIRST_SIZE, home
from dashboard.preparing import log_damage, prepare
from dashboard.raster import View, draw
from dashboard.reports import report_routes
from dashboard.selecting import select_polygon
from dashboard.state import ExplorerState
from dashboard.statistics import warm as warm_statistics
from latent_core import Bundle

TITLE = "Gaia Latent Explorer"
# a page that is asked for at once is drawn before the models are loaded for its card
LOADING_DELAY_S = 3.0
# Every request leaves a cancelled timer of this length behind. At Tornado's hour, the timers of
# visitors who had left long ago were strewn over memory that could not be given back for them.
IDLE_S = 30
# Panel schedules a widget event that meets another change (Enter after typing) without the
# document lock, but our plots are Bokeh models, which may change under it only.
Syncable._event_coroutine.lock = True

# Bokeh takes a button held still for 0.3 s for a press, and the drag that follows for nothing: a
# hand that thinks before it draws, or a busy browser, lost its lasso. Nothing here waits for one
_WAIT_FOR_THE_HAND = (
    "Bokeh.require('core/ui_gestures').UIGestures.press_threshold = 2 ** 31 - 1"  # never, in ms
)


class Calm(Native):
    """Panel's native look with our own sheet inside every widget."""

    modifiers = {Viewable: {"stylesheets": [Inherit, design.WIDGET]}}  # noqa: RUF012


def make_app(
    bundles: Mapping[str, Bundle],
    *,
    public: bool = False,
    opened: Callable[[ExplorerState], None] | None = None,
) -> Callable[[], Viewable]:
    """Return a function that builds the screen of one session; `opened` is told its state.

    Bundles are opened, coloured and compiled for once, here, so that a session adds no arrays
    of its own but its masks, and its first picture is quick.
    """
    pn.extension("tabulator", design=Calm, notifications=False, raw_css=[design.PAGE])
    warm(bundles)

    return lambda: _page(bundles, public, opened)


def _page(
    bundles: Mapping[str, Bundle], public: bool, opened: Callable[[ExplorerState], None] | None
) -> Viewable:
    """Build the screen of one session."""
    if pn.state.curdoc is not None:
        # Panel says this when it writes the page's HTML; a session that is made again for a page
        # that was slow to connect has none, and would take its sheets from the net
        pn.state.curdoc.template_variables.setdefault("dist_url", LOCAL_DIST)
        pn.state.curdoc.js_on_event(DocumentReady, CustomJS(code=_WAIT_FOR_THE_HAND))
        if pn.state.curdoc.session_context is not None:
            somebody_came()
            pn.state.on_session_destroyed(lambda _: give_back_soon())
    state = ExplorerState(bundles, public=public)
    state.showcase()
    if opened is not None:
        opened(state)
    return explorer(state)


def warm(bundles: Mapping[str, Bundle]) -> None:
    """Draw each bundle's first pictures once: fills the shared caches and compiles the kernels."""
    warm_histograms()
    for bundle in bundles.values():
        state = ExplorerState({bundle.name: bundle})
        state.showcase()
        view = View(*home(state.drawing.extent), *FIRST_SIZE)
        draw(state.drawing, layers_of(state), view)
        x0, x1, y0, y1 = state.drawing.extent
        corner = np.asarray([x0, x1, x0]), np.asarray([y0, y0, y1])
        state.select(select_polygon(state.drawing, *corner, state.size))
        warm_statistics(bundle, state.classes)
        for titles in dict(colour_choices(bundle, state.space_name)).values():
            state.colour(titles[0])
            draw(state.drawing, layers_of(state), view)
            draw(state.drawing, layers_of(state), replace(view, x1=x0, y1=y0))


def serve(
    bundles: Mapping[str, Bundle],
    *,
    port: int,
    address: str = "127.0.0.1",
    public: bool = False,
    show: bool = False,
    opened: Callable[[ExplorerState], None] | None = None,
    on_ready: Callable[[], None] | None = None,
    on_prepared: Callable[[], None] = lambda: None,
    on_damage: Callable[[str], None] = log_damage,
    **options: Any,
) -> Any:
    """Serve bundles until interrupted; `public` listens to other machines as well.

    `on_ready` is called once the server answers, `on_damage` with a sentence for each file that
    was changed after it was written: all are checked beside the running server. `on_prepared` is
    called in a thread once that is done and the models are loaded.
    Only pages of this address and of localhost may open a connection; `websocket_origin` in
    `options` names others, and `*` is refused.
    """
    origins = options.pop("websocket_origin", None) or [f"{address}:{port}", f"localhost:{port}"]
    if "*" in origins:
        raise ValueError("websocket_origin '*' lets any web page use the server; name the hosts")
    keep_heaps()
    app = make_app(bundles, public=public, opened=opened)
    prepare(bundles, LOADING_DELAY_S, on_damage, on_prepared)
    if on_ready is not None:
        IOLoop.current().add_callback(on_ready)
    return pn.serve(
        {"": app},
        port=port,
        address="0.0.0.0" if public else address,  # noqa: S104 - asked for by `public`
        show=show,
        title=TITLE,
        websocket_origin=list(origins),
        verbose=False,
        extra_patterns=report_routes(bundles),
        http_server_kwargs={"idle_connection_timeout": IDLE_S},
        **options,
    )
