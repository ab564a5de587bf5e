"""The state's map as coloured layers: what the raster draws."""

from __future__ import annotations

from numpy.typing import NDArray

from dashboard.colouring import Classes, drawn_codes, drawn_values
from dashboard.raster import Layers, class_layers, number_layers
from dashboard.state import ExplorerState
from latent_core.projection import DrawingCopy


def layers_of(state: ExplorerState) -> Layers:
    """Sort the points of the state's map into coloured layers."""
    drawn = drawn_codes if isinstance(state.colouring, Classes) else drawn_values
    place = (state.bundle, state.space_name, state.projection_name, state.colour_by)
    return layers_in(state, state.drawing, drawn(*place))


def layers_in(state: ExplorerState, drawing: DrawingCopy, drawn: NDArray) -> Layers:
    """Sort the points of any plane into layers with the state's colours, selection and legend.

    `drawn` (P,) are the state's class codes or numbers in the plane's drawing order.
    """
    selected = state.selection if state.selection.any() else None
    found = state.colouring
    if isinstance(found, Classes):
        return class_layers(drawing, found, drawn, state.shown, selected)
    if state.ramp is None:
        raise TypeError(f"{found.column.name} has no colour scale")
    return number_layers(drawing, drawn, state.shown, selected, state.ramp, state.table)
