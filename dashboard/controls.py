"""Small widgets of the right column: one size and one look for all views."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

TEXT = {"fontSize": "12.5px"}
TABLE_STYLE = """
:host .tabulator { font-size: 12px; border: 0; background: transparent; }
:host .tabulator .tabulator-header .tabulator-col .tabulator-col-content {
  padding: 3px 4px !important; }
:host .tabulator .tabulator-header .tabulator-col { font-size: 12px; font-weight: 500; }
:host .tabulator .tabulator-col-title { padding-right: 12px !important; }
:host .tabulator .tabulator-col-sorter { right: 1px !important; }
:host .tabulator .tabulator-row { min-height: 24px !important; cursor: pointer; }
:host .tabulator .tabulator-row .tabulator-cell {
  padding: 3px 4px !important; height: 24px !important; font-size: 12px;
  font-variant-numeric: tabular-nums; }
"""
BAR = "#7C9CCB"


def button(label: str, **options: Any) -> pmui.Button:
    """Return a small outlined button, 28 px high."""
    look = {"minWidth": 0, "padding": "2px 8px", "textTransform": "none", **TEXT}
    options = {"size": "small", "variant": "outlined", "margin": (4, 3), "sx": look} | options
    return pmui.Button(label=label, **options)


def slider(label: str, low: float, high: float, value: float, **options: Any) -> pmui.FloatSlider:
    """Return a slider with its value in its label, 40 px high."""
    look = {
        "& .MuiTypography-root": {"fontSize": "12px"},
        "& label": {"fontSize": "12px"},
        "fontSize": "12px",
    }
    options = {"size": "small", "margin": (0, 12), "sx": look} | options
    return pmui.FloatSlider(label=label, start=low, end=high, value=value, **options)


def checkbox(label: str, **options: Any) -> pmui.Checkbox:
    """Return a small checkbox."""
    look = {"& .MuiFormControlLabel-label, & .MuiTypography-root, & ~ *": TEXT, "padding": "2px"}
    return pmui.Checkbox(label=label, size="small", margin=(4, 3), sx=look, **options)


def select(label: str, options: list[Any], **more: Any) -> pmui.Select:
    """Return a small choice."""
    look = {"& .MuiSelect-select": {"padding": "5px 8px", **TEXT}}
    return pmui.Select(
        label=label, options=options, size="small", margin=(8, 3, 4, 3), sx=look, **more
    )


def member_table(**options: Any) -> pn.widgets.Tabulator:
    """Return a compact, read-only table; its texts are escaped by Tabulator's plain formatter."""
    return pn.widgets.Tabulator(
        show_index=False,
        disabled=True,
        selectable=False,
        theme="simple",
        layout="fit_data_fill",
        stylesheets=[TABLE_STYLE],
        row_height=24,
        configuration={"columnDefaults": {"minWidth": 20}},
        sizing_mode="stretch_width",
        margin=(4, 8),
        **options,
    )


def bar_formatter(longest: float) -> dict[str, Any]:
    """Return the formatter that draws a number as a bar."""
    return {"type": "progress", "min": 0, "max": longest or 1.0, "color": BAR}
