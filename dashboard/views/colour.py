"""What the map is coloured by, and the colour bar of a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import param
from numpy.typing import NDArray
from panel.custom import JSComponent

from dashboard.colouring import SCALES, Numbers, Ramp, colour_choices
from dashboard.controls import titled
from dashboard.limits import safe_text
from dashboard.state import ExplorerState
from dashboard.tally import histogram
from dashboard.theme import PALETTES

BINS, HALVINGS = 56, 64
EVERY_NUMBER = np.array([-np.inf, np.inf])

_ESM = """
const SVG = 'http://www.w3.org/2000/svg'
function shape(kind, attributes, text) {
  const part = document.createElementNS(SVG, kind)
  for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value)
  if (text !== undefined) part.textContent = text
  return part
}
export function render({ model }) {
  const svg = shape('svg', { viewBox: '0 0 256 84', width: '100%' })
  const fill = () => {
    const bar = model.bar
    svg.replaceChildren()
    if (!bar.colours) return
    const n = bar.colours.length, wide = 248 / n
    const most = Math.max(1, ...bar.counts.map(Math.sqrt))
    bar.colours.forEach((colour, i) => {
      const tall = 42 * Math.sqrt(bar.counts[i]) / most
      svg.append(shape('rect', { x: 4 + i * wide, y: 46 - tall, width: wide * 0.86, height: tall,
        fill: '#C3CAD3' }))
      svg.append(shape('rect', { x: 4 + i * wide, y: 49, width: wide + 0.4, height: 11,
        fill: colour }))
    })
    bar.ticks.forEach(([place, text], i) => {
      const x = 4 + 248 * place
      svg.append(shape('line', { x1: x, x2: x, y1: 60, y2: 64, stroke: '#5B6675' }))
      const anchor = i === 0 ? 'start' : i === bar.ticks.length - 1 ? 'end' : 'middle'
      svg.append(shape('text', { x: i === 0 ? 3 : anchor === 'end' ? 253 : x, y: 76,
        'text-anchor': anchor, fill: '#3A4552', 'font-size': 11 }, text))
    })
  }
  model.on('bar', fill)
  fill()
  return svg
}
"""


class ColourBar(JSComponent):
    """A colour scale with the histogram of its column above it."""

    bar = param.Dict(default={})
    _esm = _ESM
    _stylesheets = [":host { font: 11px system-ui, sans-serif; } svg { display: block; }"]  # noqa: RUF012


class ColourView(pn.viewable.Viewer):
    """Select box of columns and latents; for a number its colour bar and scale."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self._syncing = False
        self.choice = pn.widgets.Select(
            name="Colour by", groups=self._groups(), value=state.colour_by,
            sizing_mode="stretch_width", margin=(10, 10, 4, 10),
        )  # fmt: skip
        self.palette = pn.widgets.Select(
            name="Palette", options=list(PALETTES), value=state.palette, width=100,
            margin=(2, 2, 2, 10),
        )  # fmt: skip
        self.scale = pn.widgets.Select(
            name="Scale", options=list(SCALES), value=state.scale, width=80, margin=(2, 2)
        )
        self.reverse = pn.widgets.Toggle(
            name="Invert", value=state.reverse_palette, width=58, margin=(21, 2, 2, 4)
        )
        self.clip = pn.widgets.RangeSlider(
            name="Clip [% of sources]", start=0, end=100, step=0.5, value=tuple(state.clip),
            sizing_mode="stretch_width", margin=(4, 16, 6, 16),
        )  # fmt: skip
        self.bar = ColourBar(sizing_mode="stretch_width", height=86, margin=(4, 12, 0, 12))
        self.note = pn.pane.HTML(margin=(0, 12, 4, 12), sizing_mode="stretch_width")
        self._number = pn.Column(
            self.bar,
            self.note,
            pn.Row(self.palette, self.scale, self.reverse, sizing_mode="stretch_width"),
            self.clip,
            sizing_mode="stretch_width",
        )
        self._connect()
        self._show()

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(self.choice, self._number, sizing_mode="stretch_width")

    def _groups(self) -> dict[str, dict[str, str]]:
        found = colour_choices(self.state.bundle, self.state.space_name)
        return {
            title: titled(names, lambda n: self.state.column(n).title) for title, names in found
        }

    def _connect(self) -> None:
        self.choice.param.watch(self._chosen, "value")
        self.clip.param.watch(self._styled, "value_throttled")
        for widget in (self.palette, self.scale, self.reverse):
            widget.param.watch(self._styled, "value")
        looks = ["palette", "reverse_palette", "scale", "clip"]
        place = ["bundle_name", "space_name", "colour_by", "hidden_classes"]
        self.state.param.watch(self._show, [*place, *looks])

    def _chosen(self, event: Any) -> None:
        offered = dict(colour_choices(self.state.bundle, self.state.space_name)).values()
        if not self._syncing and any(event.new in names for names in offered):
            self.state.colour(event.new)

    def _styled(self, *_: Any) -> None:
        if self._syncing:
            return
        low, high = self.clip.value
        if 0 <= low < high <= 100:
            self.state.clip = (float(low), float(high))
        self.state.param.update(
            palette=self.palette.value,
            scale=self.scale.value,
            reverse_palette=bool(self.reverse.value),
        )

    def _show(self, *_: Any) -> None:
        state, self._syncing = self.state, True
        self.choice.param.update(groups=self._groups(), value=state.colour_by)
        self.palette.value, self.scale.value = state.palette, state.scale
        self.clip.value, self.reverse.value = tuple(state.clip), state.reverse_palette
        self._syncing = False
        found = state.colouring
        self._number.visible = isinstance(found, Numbers)
        if isinstance(found, Numbers):
            self.bar.bar = bar_of(state, found)
            self.note.object = (
                f'<span style="color:#5B6675">{safe_text(note_of(state, found))}</span>'
            )


def bar_of(state: ExplorerState, numbers: Numbers) -> dict[str, Any]:
    """Return colours, counts and ticks of the colour bar, from left to right.

    Low is on the left, but for magnitudes: there the bright end is the high one, on the right.
    """
    ramp = state.ramp
    if ramp is None or not np.isfinite(ramp.low):
        return {}
    steps = state.table[np.linspace(0, 255, BINS).astype(int)]
    counts = histogram(numbers.values, state.shown, bar_edges(ramp))
    places = np.array([0, 0.25, 0.5, 0.75, 1.0])
    values = ramp.back(places)
    if state.is_inverted:
        steps, counts, values = steps[::-1], counts[::-1], values[::-1]
    return {
        "colours": [f"#{r:02X}{g:02X}{b:02X}" for r, g, b in steps],
        "counts": [int(n) for n in counts],
        "ticks": [[float(p), tick_text(float(v))] for p, v in zip(places, values, strict=True)],
    }


def bar_edges(ramp: Ramp) -> NDArray[np.float64]:
    """Return the values at which the bins of the bar begin, and infinity, (BINS + 1,).

    What is clipped counts in the first and last bin. An edge is the least value whose place
    reaches it, found by halving, so that counting values equals counting their places.
    """
    wanted = np.arange(1, BINS) / BINS
    low, high = np.full(BINS - 1, ramp.low), np.full(BINS - 1, ramp.high)
    beyond = ramp.place(high) < wanted  # a column of one value
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        reached = ramp.place(middle) >= wanted
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.concatenate([[-np.inf], np.where(beyond, np.inf, high), [np.inf]])


def tick_text(value: float) -> str:
    """Write a tick: three digits, thousands with commas."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def note_of(state: ExplorerState, numbers: Numbers) -> str:
    """Say what the bar measures, how many shown sources lack it, and a scale that cannot be."""
    shown = state.shown
    missing = shown.count - int(histogram(numbers.values, shown, EVERY_NUMBER)[0])
    parts = [numbers.column.title, numbers.column.description]
    text = ", ".join(part for part in dict.fromkeys(parts) if part) + "."
    if missing:
        text += f" {missing:,} shown have no {numbers.column.label or numbers.column.name} (grey)."
    if state.ramp is not None and state.ramp.scale != state.scale:
        text += " Log needs values above zero; this is linear."
    return text
