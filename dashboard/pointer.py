"""The resting pointer: the browser tells where it rests, the server what lies beneath.

Moves never reach the server: a timer in the browser waits until the pointer rests, and takes an
outdated card away itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bokeh.events import MouseLeave, MouseMove, MouseWheel, PanStart
from bokeh.models import ColumnDataSource, CustomJS

from dashboard import limits
from dashboard.limits import LimitError
from dashboard.markup import cell, fact
from dashboard.state import ExplorerState

REST_MS = 125
STEADY_PX = 4  # a hand that trembles by less keeps its card
LONGEST_LINE = 60

_CLEAR = """
const clear = () => {
  if (hover.data.x.length)
    hover.data = { x: [], y: [], text: [], anchor: [], dx: [], dy: [], turn: [] }
}
"""
_HIDE = (
    _CLEAR
    + """
const hide = () => {
  clearTimeout(pointer.timer)
  pointer.turn = (pointer.turn ?? 0) + 1
  pointer.spot = null
  clear()
}
"""
)
_MOVED = (
    _HIDE
    + f"""
const {{ sx, sy, x, y }} = cb_obj, spot = pointer.spot
if (spot && Math.hypot(sx - spot[0], sy - spot[1]) < {STEADY_PX}) return
hide()
pointer.timer = setTimeout(() => {{
  pointer.spot = [sx, sy]
  pointer.tags = [pointer.turn, x, y]
}}, {REST_MS})
"""
)
# An answer to a question that is no longer asked must not show; the question that is asked stands.
_ANSWERED = _CLEAR + "if (hover.data.x.length && hover.data.turn[0] !== pointer.turn) clear()"


class Pointer:
    """Asks `rested(turn, x, y)` when the pointer comes to rest over a plot."""

    def __init__(
        self, plot: Any, hover: ColumnDataSource, rested: Callable[[int, float, float], None]
    ) -> None:
        self.model = ColumnDataSource(name="pointer")
        self._rested = rested
        models = {"pointer": self.model, "hover": hover}
        plot.js_on_event(MouseMove, CustomJS(args=models, code=_MOVED))
        for event in (MouseLeave, MouseWheel, PanStart):
            plot.js_on_event(event, CustomJS(args=models, code=_HIDE + "hide()"))
        hover.js_on_change("data", CustomJS(args=models, code=_ANSWERED))
        self.model.on_change("tags", self._told)

    def _told(self, attribute: str, old: Any, new: Sequence[Any]) -> None:
        try:
            turn, x, y = (limits.finite(v, "pointer") for v in limits.triple(new, "pointer"))
        except LimitError:
            return
        self._rested(int(turn), x, y)


def hover_text(state: ExplorerState, row: int) -> str:
    """Return the lines of a hover card: id, class, G and what the map is coloured by."""
    columns = {column.name: column for column in state.bundle.columns}
    bright = next((c.name for c in columns.values() if c.label == "G"), "")
    names = dict.fromkeys(n for n in (state.class_column, bright, state.colour_by) if n)
    lines = [f"Gaia DR3 {state.bundle.folder.catalog.source_id[row]}"]
    record: dict[str, Any] = {str(name): state.frame[name].iloc[row] for name in columns}
    for name in names:
        column = state.column(name)
        text = fact(record, column) if name in columns else cell(state.values(name)[row], column)
        lines.append(f"{column.label or name}: {text}"[:LONGEST_LINE])
    return "\n".join(lines)
