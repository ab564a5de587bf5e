"""The state's map as coloured layers: what the raster draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dashboard.colouring import Classes, drawn_codes, drawn_missing, drawn_values
from dashboard.raster import Layers, class_layers, number_layers
from dashboard.state import ExplorerState
from latent_core.projection import DrawingCopy


def layers_of(state: ExplorerState) -> Layers:
    """Sort the points of the state's map into coloured layers."""
    place = (state.bundle, state.space_name, state.projection_name, state.colour_by)
    if isinstance(state.colouring, Classes):
        return layers_in(state, state.drawing, drawn_codes(*place))
    return layers_in(state, state.drawing, drawn_values(*place), drawn_missing(*place))


def layers_in(
    state: ExplorerState,
    drawing: DrawingCopy,
    drawn: NDArray,
    missing: NDArray[np.int8] | None = None,
) -> Layers:
    """Sort the points of any plane into layers with the state's colours, selection and legend.

    `drawn` (P,) are the state's class codes or numbers in the plane's drawing order; `missing`
    tells which numbers are not there, where that is known already.
    """
    selected = state.selection if state.selection.any() else None
    found = state.colouring
    if isinstance(found, Classes):
        return class_layers(drawing, found, drawn, state.shown, selected)
    if state.ramp is None:
        raise TypeError(f"{found.column.name} has no colour scale")
    gone = np.isnan(drawn).astype(np.int8) if missing is None else missing
    masks = (state.shown, selected)
    return number_layers(drawing, drawn, gone, masks, state.ramp, state.table)
