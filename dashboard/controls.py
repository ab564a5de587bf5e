"""Small widgets of the right column: one size and one look for all views."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import panel as pn

from dashboard.design import WIDGET

CONTROL_STYLE = """
:host .bk-btn.bk-btn-default, :host .bk-btn { padding: 3px 9px; min-height: 26px;
  font-size: 12.5px; line-height: 1.4; background: transparent; color: inherit;
  border: 1px solid #B9C1CB; border-radius: 6px; }
:host .bk-btn a { padding: 0 !important; }
:host .bk-btn.bk-btn-default:hover { background: rgba(128, 145, 170, .16); }
:host .bk-btn.bk-btn-default:disabled { opacity: .45; }
label { font-size: 12px; }
:host input.bk-input { height: 28px; padding: 3px 8px; }
"""
LOOK = [WIDGET, CONTROL_STYLE]
TABLE_STYLE = """
:host .tabulator { font-size: 12px; border: 0; background: transparent; }
:host .tabulator .tabulator-header .tabulator-col .tabulator-col-content {
  padding: 3px 4px !important; }
:host .tabulator .tabulator-header .tabulator-col { font-size: 12px; font-weight: 500; }
:host .tabulator .tabulator-col-title { padding-right: 0 !important; }
:host .tabulator .tabulator-sortable .tabulator-col-title { padding-right: 12px !important; }
:host .tabulator .tabulator-col-sorter { right: 1px !important; }
:host .tabulator .tabulator-row { min-height: 24px !important; height: 24px !important;
  cursor: pointer; }
:host .tabulator .tabulator-row .tabulator-cell {
  padding: 3px 4px !important; height: 24px !important; min-height: 0 !important;
  font-size: 11.5px; font-variant-numeric: tabular-nums; }
:host .tabulator-cell div[data-max] { height: 8px !important; margin-top: 5px; }
"""
BAR = "#7C9CCB"


def button(label: str, **options: Any) -> pn.widgets.Button:
    """Return a small button."""
    return pn.widgets.Button(name=label, **({"margin": (4, 3), "stylesheets": LOOK} | options))


def slider(
    label: str, low: float, high: float, value: float, **options: Any
) -> pn.widgets.FloatSlider:
    """Return a slider with its value in its label."""
    options = {"margin": (0, 10), "stylesheets": LOOK, "format": "0.00"} | options
    return pn.widgets.FloatSlider(name=label, start=low, end=high, value=value, **options)


def checkbox(label: str, **options: Any) -> pn.widgets.Checkbox:
    """Return a small checkbox."""
    return pn.widgets.Checkbox(name=label, margin=(8, 6), stylesheets=LOOK, **options)


def select(label: str, options: list[Any], **more: Any) -> pn.widgets.Select:
    """Return a small choice."""
    return pn.widgets.Select(
        name=label, options=options, margin=(2, 3, 4, 3), stylesheets=LOOK, **more
    )


def titled(names: Iterable[str], title: Callable[[str], str]) -> dict[str, str]:
    """Return names by their titles, for a choice; titles that two share get the name behind."""
    titles = {name: title(name) for name in names}
    known = list(titles.values())
    return {(f"{t} ({n})" if known.count(t) > 1 else t): n for n, t in titles.items()}


def number_box(label: str, **options: Any) -> pn.widgets.TextInput:
    """Return a small text box; what is typed is read and checked by its owner."""
    return pn.widgets.TextInput(name=label, margin=(2, 3, 4, 3), stylesheets=LOOK, **options)


def download(label: str, content: Callable[[], Any]) -> pn.widgets.FileDownload:
    """Return a button that makes a file when it is pressed."""
    return pn.widgets.FileDownload(
        label=label,
        callback=content,
        filename="selection",
        button_type="default",
        margin=(4, 3),
        stylesheets=LOOK,
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
        configuration={"rowHeight": 24, "columnDefaults": {"minWidth": 20}},
        sizing_mode="stretch_width",
        margin=(4, 8),
        **options,
    )


def bar_formatter(longest: float) -> dict[str, Any]:
    """Return the formatter that draws a number as a bar."""
    return {"type": "progress", "min": 0, "max": longest or 1.0, "color": BAR}
