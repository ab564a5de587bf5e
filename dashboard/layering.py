"""The state's map as coloured layers: what the raster draws."""

from __future__ import annotations

from typing import Any

from dashboard.colouring import Classes, Numbers, drawn_codes, drawn_values
from dashboard.raster import Layers, class_layers, number_layers
from dashboard.state import ExplorerState


def layers_of(state: ExplorerState) -> Layers:
    """Sort the points of the state's map into coloured layers."""
    place = (state.bundle, state.space_name, state.projection_name, state.colour_by)
    selected = state.selection if state.selection.any() else None
    found = state.colouring
    if isinstance(found, Classes):
        return class_layers(state.drawing, found, drawn_codes(*place), state.shown, selected)
    return _number_layers(state, found, drawn_values(*place), selected)


def _number_layers(state: ExplorerState, numbers: Numbers, values: Any, selected: Any) -> Layers:
    if state.ramp is None:
        raise TypeError(f"{numbers.column.name} has no colour scale")
    return number_layers(state.drawing, values, state.shown, selected, state.ramp, state.table)
