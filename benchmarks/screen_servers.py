"""What bench_screen.py looks at, each as a server: `python screen_servers.py WHAT BUNDLE PORT`.

`ours` is the project's own screen. The others draw the same places and classes as HoloViews and
datashader are used by their own guides, with nothing tuned but WebGL, which is off: a browser
without a GPU is slower with it. `datashade` counts by class, shades, spreads; `rasterize` counts
and lets the browser colour; `linked` is link_selections over a datashaded map and a histogram.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 900, 700
# without shapely link_selections knows no lasso; a box is less work for it
STOCK_GESTURE = "lasso_select" if find_spec("shapely") else "box_select"


def points(bundle: Path) -> Any:
    """Return the places, the classes and one number of a bundle as HoloViews points."""
    import holoviews as hv
    import pandas as pd

    from latent_core import Bundle

    opened = Bundle.open(bundle)
    xy = opened.space().projection().coordinates
    frame = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1]})
    frame["bp_rp"] = opened.catalog["bp_rp"].to_numpy()
    names = opened.catalog["best_class_name"].astype(object)
    frame["layer"] = pd.Categorical(names.where(names.notna(), "no label"))
    return hv.Points(frame, ["x", "y"], ["layer", "bp_rp"])


def stock(what: str, bundle: Path) -> Any:
    """Return a plot of 900 x 700 that zooms by the wheel and pans by dragging."""
    import datashader as ds
    import holoviews as hv
    from holoviews.operation.datashader import datashade, dynspread, rasterize

    hv.extension("bokeh")
    hv.renderer("bokeh").webgl = False
    given = points(bundle)
    size = {"width": WIDTH, "height": HEIGHT, "xaxis": None, "yaxis": None}
    tools = {"active_tools": ["wheel_zoom", "pan"]}
    key = (3 * ds.colors.Sets1to3)[: given.data["layer"].nunique()]
    if what == "rasterize":
        plot = dynspread(rasterize(given, aggregator="count"))
        return plot.opts(hv.opts.Image(cnorm="eq_hist", **size, **tools))
    shaded = dynspread(datashade(given, aggregator=ds.by("layer", ds.count()), color_key=key))
    if what == "datashade":
        return shaded.opts(hv.opts.RGB(**size, **tools))
    colours = hv.operation.histogram(given, dimension="bp_rp", num_bins=40, normed=False)
    linked = hv.link_selections.instance()
    tools = {"tools": [STOCK_GESTURE], "active_tools": [STOCK_GESTURE]}
    return linked(shaded.opts(hv.opts.RGB(**size, **tools)) + colours)


def main(what: str, bundle: Path, port: int) -> None:
    if what == "ours":
        from dashboard.app import serve
        from latent_core import Bundle

        serve({"made up": Bundle.open(bundle)}, port=port)
        return
    import panel as pn

    pn.extension()
    plot = stock(what, bundle)
    pn.serve(
        {"": lambda: pn.pane.HoloViews(plot)},
        port=port,
        address="127.0.0.1",
        show=False,
        verbose=False,
        websocket_origin=[f"127.0.0.1:{port}", f"localhost:{port}"],
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
