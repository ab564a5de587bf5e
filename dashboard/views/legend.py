"""The legend: every class with its colour, shape and counts; a click isolates it."""

from __future__ import annotations

from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from dashboard import limits
from dashboard.limits import LimitError
from dashboard.state import ExplorerState
from dashboard.tally import class_counts
from dashboard.theme import class_style, class_title

# Names come from the catalog: they enter the page as textContent only, never as markup.
_ESM = """
const SHAPES = {
  circle: 'M6 1.5a4.5 4.5 0 1 0 .01 0z', dot: 'M6 3.5a2.5 2.5 0 1 0 .01 0z',
  square: 'M2 2h8v8h-8z', diamond: 'M6 .8 11 6 6 11.2 1 6z',
  triangle: 'M6 1 11.2 10.4H.8z', inverted_triangle: 'M6 11 .8 1.6h10.4z',
  plus: 'M4.4 1h3.2v3.4H11v3.2H7.6V11H4.4V7.6H1V4.4h3.4z',
  star: 'M6 .6 7.6 4.3l4 .3-3 2.6.9 3.9L6 9 2.5 11.1l.9-3.9-3-2.6 4-.3z',
  x: 'M2.6 1 6 4.2 9.4 1 11 2.6 7.8 6 11 9.4 9.4 11 6 7.8 2.6 11 1 9.4 4.2 6 1 2.6z',
}
function swatch(row) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 12 12')
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  path.setAttribute('d', SHAPES[row.shape] || SHAPES.circle)
  path.setAttribute('fill', row.colour)
  svg.appendChild(path)
  return svg
}
function span(kind, text) {
  const part = document.createElement('span')
  part.className = kind
  part.textContent = text
  return part
}
function button(kind, label, press) {
  const part = document.createElement('button')
  part.className = kind
  part.setAttribute('aria-label', label)
  part.title = label
  part.addEventListener('click', (event) => { event.stopPropagation(); press(event) })
  return part
}
export function render({ model }) {
  const list = document.createElement('div')
  list.className = 'legend'
  function line(row) {
    const item = document.createElement('div')
    item.className = 'row' + (row.hidden ? ' off' : '')
    item.dataset.name = row.name
    const main = button('main', row.name, (event) => model.send_msg(
      { name: row.name, act: event.altKey || event.shiftKey ? 'toggle' : 'isolate' }))
    main.append(swatch(row), span('name', row.title), span('count', row.count))
    const eye = button('eye', (row.hidden ? 'show ' : 'hide ') + row.name,
      () => model.send_msg({ name: row.name, act: 'toggle' }))
    eye.textContent = row.hidden ? '\\u25CB' : '\\u25CF'
    item.append(main, eye)
    return item
  }
  const fill = () => list.replaceChildren(...model.rows.map(line))
  model.on('rows', fill)
  fill()
  return list
}
"""

_STYLE = """
:host { font: 12.5px/1.3 system-ui, sans-serif; }
.legend { display: flex; flex-direction: column; }
.row { display: flex; align-items: center; border-radius: 5px; }
.row:hover { background: #EEF2F8; }
.row.off .main { opacity: .38; }
button { font: inherit; color: inherit; background: none; border: 0; cursor: pointer; }
button:focus-visible { outline: 2px solid #2456C8; border-radius: 5px; }
.main { flex: 1; min-width: 0; display: flex; align-items: center; gap: 8px; padding: 0 4px 0 6px;
  min-height: 24px; text-align: left; }
svg { width: 12px; height: 12px; flex: none; }
.name { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.count { color: #5B6675; font-variant-numeric: tabular-nums; white-space: nowrap; }
.eye { width: 24px; height: 24px; padding: 0; color: #5B6675; font-size: 9px; opacity: 0; }
.row:hover .eye, .row.off .eye, .eye:focus-visible { opacity: .9; }
"""


class LegendRows(JSComponent):
    """Rows of the legend; the browser sends back which class was pressed."""

    rows = param.List(item_type=dict)
    _esm = _ESM
    _stylesheets = [_STYLE]  # noqa: RUF012


class LegendView(pn.viewable.Viewer):
    """Classes of `state.class_column`, most frequent first, with counts selected / all."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self.rows = LegendRows(sizing_mode="stretch_width", margin=(0, 6))
        self.rows.on_msg(self._pressed)
        self._all = pn.widgets.Button(name="Show all", visible=False, margin=(0, 10), height=26)
        self._all.on_click(lambda _: state.param.update(hidden_classes=[]))
        self._title = pn.pane.HTML(margin=(2, 12, 4, 12))
        watched = ["bundle_name", "class_column", "hidden_classes", "selection"]
        state.param.watch(self._fill, watched)
        self._fill()

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            pn.Row(self._title, pn.Spacer(sizing_mode="stretch_width"), self._all),
            self.rows,
            sizing_mode="stretch_width",
        )

    def _pressed(self, event: Any) -> None:
        classes, message = self.state.classes, event.data
        if classes is None or not isinstance(message, dict):
            return
        try:
            name = limits.choice(message.get("name"), classes.names, "class")
            act = limits.choice(message.get("act"), ["isolate", "toggle"], "gesture")
        except LimitError:
            return
        (self.state.isolate if act == "isolate" else self.state.toggle)(name)

    def _fill(self, *_: Any) -> None:
        classes = self.state.classes
        self.rows.rows = [] if classes is None else legend_rows(self.state)
        text = "no classes in this bundle" if classes is None else classes.column.title
        self._title.object = f'<b style="font-weight:600">{limits.safe_text(text)}</b>'
        self._all.visible = bool(self.state.hidden_classes)


def legend_rows(state: ExplorerState) -> list[dict[str, Any]]:
    """Return what each legend row shows."""
    classes, selection = state.classes, state.selection
    if classes is None:
        return []
    some = selection.any()
    inside = class_counts(classes.codes, selection, len(classes.names))
    return [
        {
            "name": name,
            "title": class_title(name),
            "colour": class_style(name).colour,
            "shape": class_style(name).shape,
            "count": f"{inside[i]:,} / {total:,}" if some else f"{total:,}",
            "hidden": name in state.hidden_classes,
        }
        for i, (name, total) in enumerate(zip(classes.names, classes.counts, strict=True))
    ]
