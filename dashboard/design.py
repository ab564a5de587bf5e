"""The look of the page: one sheet for the page, one for the inside of each widget."""

from __future__ import annotations

from dashboard import theme

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TOOLBAR_HEIGHT = 44

PAGE = f"""
:root {{
  --ink: {theme.INK}; --muted: {theme.MUTED}; --line: {theme.LINE};
  --panel: {theme.PANEL}; --page: {theme.PAGE}; --accent: {theme.ACCENT};
  --panel-primary-color: {theme.ACCENT};
}}
html, body {{ height: 100%; margin: 0; overflow: hidden; background: var(--page);
  color: var(--ink); font: 13px/1.45 {FONT}; }}
"""

WIDGET = f"""
:host {{ font: 12.5px/1.4 {FONT}; color: var(--ink); --padding-horizontal: 8px;
  --padding-vertical: 4px; }}
.bk-input {{ font: 12.5px/1.3 {FONT}; border: 1px solid #C9D0D8; border-radius: 6px;
  min-height: 28px; padding: 3px 8px; background-color: #fff; color: var(--ink); }}
.bk-input:focus {{ border-color: var(--accent); box-shadow: 0 0 0 2px #2456C833; }}
.bk-input-group > label, .bk-slider-title, label {{ color: var(--muted); font-size: 12px; }}
select.bk-input {{ padding-right: 22px; }}
:host(.solid) .bk-btn.bk-btn-default {{ font: 500 12.5px/1.2 {FONT}; border-radius: 6px;
  border: 1px solid #C9D0D8; background: #fff; color: var(--ink); padding: 6px 10px;
  box-shadow: none; }}
:host(.solid) .bk-btn.bk-btn-default:hover {{ background: #EEF2F8; }}
.bk-btn:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 1px; }}
:host(.solid) .bk-btn-group .bk-btn.bk-btn-default.bk-active {{ background: #E4ECFB;
  color: #173E9C; border-color: #9DB5EA; box-shadow: none; }}
:host(.solid) .bk-btn-group .bk-btn.bk-btn-default:not(:first-child) {{
  border-top-left-radius: 0; border-bottom-left-radius: 0; margin-left: -1px; }}
:host(.solid) .bk-btn-group .bk-btn.bk-btn-default:not(:last-child) {{
  border-top-right-radius: 0; border-bottom-right-radius: 0; }}
.noUi-target {{ border: 0; background: #DDE2E8; height: 4px; box-shadow: none; }}
.noUi-connect {{ background: var(--accent); }}
.noUi-horizontal .noUi-handle {{ width: 12px; height: 12px; right: -6px; top: -4px;
  border-radius: 50%; border: 2px solid var(--accent); background: #fff; box-shadow: none; }}
.noUi-handle::before, .noUi-handle::after {{ display: none; }}
.bk-header {{ border: 0; border-bottom: 1px solid var(--line) !important; padding: 0 6px;
  width: 100%; background: #fff; }}
.bk-header .bk-tab {{ font: 500 13px/1 {FONT}; color: var(--muted); border: 0;
  padding: 12px 12px 10px; border-bottom: 2px solid transparent; background: none; }}
.bk-header .bk-tab:hover {{ color: var(--ink); background: none; }}
.bk-header .bk-tab.bk-active {{ color: var(--ink); background: none; border: 0;
  border-bottom: 2px solid var(--accent); }}
"""

HEADER = """
:host { background: #fff; border-bottom: 1px solid var(--line); padding: 0 12px; }
"""
LEFT = """
:host { background: #fff; border-right: 1px solid var(--line); overflow-y: auto;
  overflow-x: hidden; }
"""
RIGHT = """
:host { background: #fff; border-left: 1px solid var(--line); }
"""
BODY = ":host { position: relative; min-width: 0; }"


def folding(side: str, narrowest: int) -> str:
    """Return the sheet of a column that a window under `narrowest` pixels folds away.

    The class `switched` is the opposite of what the width says: away in a wide window, laid over
    the map in a narrow one, so that the map keeps its width. The toolbar with the column's button
    stays free.
    """
    return f"""
:host(.switched) {{ display: none !important; }}
@media (max-width: {narrowest - 1}px) {{
  :host {{ display: none !important; }}
  :host(.switched) {{ display: flex !important; position: absolute !important; bottom: 0;
    top: {TOOLBAR_HEIGHT}px; {side}: 0; z-index: 20; max-width: 100vw;
    box-shadow: 0 0 24px #1B243040; }}
}}
"""


def only_from(width: int) -> str:
    """Return the sheet of a part that narrower windows do without."""
    return f"@media (max-width: {width - 1}px) {{ :host {{ display: none !important; }} }}"


TOOLBAR = """
@media (max-width: 1199px) {
  :host(.solid) .bk-btn.bk-btn-default { padding: 6px 6px; font-size: 12px; }
}
/* both columns stand and leave 500 pixels to the map */
@media (min-width: 1200px) and (max-width: 1399px) {
  :host(.solid) .bk-btn.bk-btn-default { padding: 6px 4px; font-size: 11.5px; }
}
"""
# a word beside the tools; where the map is narrow, the tools need its place
LINK = (
    only_from(1400)
    + """
:host { font-size: 12.5px; color: var(--muted); white-space: nowrap; }
a { color: var(--accent); }
"""
)
SCROLL = ":host { overflow-y: auto; overflow-x: hidden; }"
FIGURE = ":focus-visible { outline: 1px solid #9DB5EA; outline-offset: -1px; }"
RULED = ":host { border-top: 1px solid var(--line); padding-top: 6px; }"
MIDDLE = ":host { background: #fff; min-width: 0; }"
DRAWER = ":host { background: #fff; border-top: 1px solid var(--line); min-width: 0; }"
DRAWER_TAB = f"""
:host(.solid) .bk-btn.bk-btn-default {{ font: 500 12.5px/1 {FONT}; color: var(--muted); border: 0;
  border-bottom: 2px solid transparent; border-radius: 0; background: none; height: 31px;
  padding: 0 10px; }}
:host(.solid) .bk-btn.bk-btn-default:hover {{ color: var(--ink); background: none; }}
:host(.open.solid) .bk-btn.bk-btn-default {{ color: var(--ink);
  border-bottom-color: var(--accent); }}
.bk-btn:focus-visible {{ outline-offset: -3px; }}
@media (max-width: 1199px) {{ :host(.solid) .bk-btn.bk-btn-default {{ padding: 0 7px; }} }}
"""
