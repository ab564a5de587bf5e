"""The state's map as coloured layers: what the raster draws."""

from __future__ import annotations

from dashboard.colouring import Classes, drawn_codes, drawn_missing, drawn_values
from dashboard.raster import Layers, class_layers, number_layers
from dashboard.state import ExplorerState


def layers_of(state: ExplorerState) -> Layers:
    """Sort the points of the state's map into coloured layers."""
    place = (state.bundle, state.space_name, state.projection_name, state.colour_by)
    selected = state.selection if state.selection.any() else None
    found = state.colouring
    if isinstance(found, Classes):
        return class_layers(state.drawing, found, drawn_codes(*place), state.shown, selected)
    if state.ramp is None:
        raise TypeError(f"{found.column.name} has no colour scale")
    values, missing = drawn_values(*place), drawn_missing(*place)
    masks = (state.shown, selected)
    return number_layers(state.drawing, values, missing, masks, state.ramp, state.table)
