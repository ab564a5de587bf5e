"""The served application: one session a visitor over bundles that all sessions share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
from panel.theme import Inherit, Native
from panel.viewable import Viewable

from dashboard import design
from dashboard.layout import explorer
from dashboard.raster import draw
from dashboard.state import ExplorerState
from dashboard.views.map import FIRST_SIZE, home, layers_of
from latent_core import Bundle

TITLE = "Gaia Latent Explorer"


class Calm(Native):
    """Panel's native look with our own sheet inside every widget."""

    modifiers = {Viewable: {"stylesheets": [Inherit, design.WIDGET]}}  # noqa: RUF012


def make_app(bundles: Mapping[str, Bundle]) -> Callable[[], Viewable]:
    """Return a function that builds the screen of one session.

    Bundles are opened, coloured and compiled for once, here, so that a session adds no arrays
    of its own but its masks, and its first picture is quick.
    """
    pn.extension("tabulator", design=Calm, notifications=False, raw_css=[design.PAGE])
    warm(bundles)

    def app() -> Viewable:
        state = ExplorerState(bundles)
        state.showcase()
        return explorer(state)

    return app


def warm(bundles: Mapping[str, Bundle]) -> None:
    """Draw each bundle's first picture once: fills the shared caches and compiles the kernels."""
    from dashboard.raster import View

    for name in bundles:
        state = ExplorerState({name: bundles[name]})
        state.showcase()
        view = View(*home(state.drawing.extent), *FIRST_SIZE)
        draw(state.drawing, layers_of(state), view)


def serve(
    bundles: Mapping[str, Bundle],
    *,
    port: int,
    address: str = "127.0.0.1",
    public: bool = False,
    show: bool = False,
    **options: Any,
) -> Any:
    """Serve bundles until interrupted; `public` listens to other machines as well.

    Only pages of this address and of localhost may open a connection; `websocket_origin` in
    `options` names others, and `*` is refused.
    """
    origins = options.pop("websocket_origin", None) or [f"{address}:{port}", f"localhost:{port}"]
    if "*" in origins:
        raise ValueError("websocket_origin '*' lets any web page use the server; name the hosts")
    return pn.serve(
        {"": make_app(bundles)},
        port=port,
        address="0.0.0.0" if public else address,  # noqa: S104 - asked for by `public`
        show=show,
        title=TITLE,
        websocket_origin=list(origins),
        verbose=False,
        **options,
    )
