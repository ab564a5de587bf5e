"""Tools over the map, how a gesture combines, and the line of text under the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from dashboard import design
from dashboard.limits import LimitError, choice, safe_text
from dashboard.reports import report_link
from dashboard.state import COMBINATIONS, TOOLS, ExplorerState
from latent_core.config import MAP_METHODS

COLUMNS = {"[": "left_switched", "]": "right_switched"}
SWITCHES = {**COLUMNS, "j": "drawer_open"}
KEYS = {"v": "pan", "l": "lasso", "b": "box", "g": "polygon"}

_KEYS_ESM = """
export function render({ model }) {
  const typing = (event) => {
    const target = event.composedPath()[0]
    return target && (['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName)
      || target.isContentEditable)
  }
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event)) return
    if (!model.known.includes(event.key)) return
    if (event.key === '/') event.preventDefault()
    model.send_msg(event.key)
  }
  window.addEventListener('keydown', pressed)
  model.on('remove', () => window.removeEventListener('keydown', pressed))
  return document.createElement('span')
}
"""


class Keys(JSComponent):
    """Sends single keys, unless a text field has the focus."""

    known = param.List(item_type=str)
    _esm = _KEYS_ESM


class ToolbarView(pn.viewable.Viewer):
    """Pan, lasso, box, polygon; New, Add, Subtract, Intersect; fit; keys `v l b g f Esc`."""

    def __init__(self, state: ExplorerState, *plots: Mapping[str, Any]) -> None:
        """Arm the tools of several plots at once: `plots` are Bokeh tools by name."""
        super().__init__()
        self.state = state
        self.tool = pn.widgets.RadioButtonGroup(
            name="Tool", options={name.title(): name for name in TOOLS}, value=state.tool,
            margin=(6, 4, 6, 10),
        )  # fmt: skip
        self._arm_at_once(plots)
        self.tool.param.watch(self._armed, "value")
        self.combine = pn.widgets.RadioButtonGroup(
            name="Combine", options={c.title(): c for c in COMBINATIONS}, value=state.combine,
            margin=(6, 4, 6, 14),
        )  # fmt: skip
        self.combine.param.watch(self._combined, "value")
        state.param.watch(self._show_combine, "combine")
        self.fit = pn.widgets.Button(name="Fit", margin=(6, 4, 6, 14))
        self.fit.on_click(lambda _: state.param.update(view=None))
        self.columns = [
            pn.widgets.Button(
                name=sign, description=f"show or hide the {side} column ({key})", margin=margin
            )
            for sign, side, key, margin in (
                ("\N{SQUARE WITH LEFT HALF BLACK}", "left", "[", (6, 0, 6, 8)),
                ("\N{SQUARE WITH RIGHT HALF BLACK}", "right", "]", (6, 8, 6, 0)),
            )
        ]
        for button, key in zip(self.columns, COLUMNS, strict=True):
            button.on_click(lambda _, key=key: self._switch(key))
        for widget in (self.tool, self.combine, self.fit, *self.columns):
            widget.stylesheets = [design.TOOLBAR]
        self._keys = Keys(known=[*KEYS, *SWITCHES, "f", "Escape"], width=0, height=0, margin=0)
        self._keys.on_msg(self._key)
        hint = (
            "drag with Shift adds, Alt subtracts, both intersect; "
            "a polygon ends with Enter or a long press; "
            "keys: v pan, l lasso, b box, g polygon, f fit, Esc clears, [ ] columns, j drawer"
        )
        self._help = pn.widgets.TooltipIcon(
            value=hint, margin=(10, 6), stylesheets=[design.only_from(1300)]
        )
        self.report = pn.pane.HTML(margin=(12, 6), stylesheets=[design.LINK])
        state.param.watch(self._show_report, "bundle_name")
        self._show_report()

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Row(
            self.columns[0], self.tool, self.combine, self.fit, self._help, self._keys,
            pn.Spacer(sizing_mode="stretch_width"), self.report, self.columns[1],
            sizing_mode="stretch_width", height=design.TOOLBAR_HEIGHT, margin=0,
        )  # fmt: skip

    def _arm_at_once(self, plots: Sequence[Mapping[str, Any]]) -> None:
        """Let the browser itself arm the chosen tool on every plot, without the server."""
        named = [{f"{name}{i}": tools[name] for name in TOOLS} for i, tools in enumerate(plots)]
        lists = ", ".join(f"[{', '.join(tools)}]" for tools in named)
        self.tool.jscallback(
            value=f"""
            const chosen = source.active
            for (const tools of [{lists}])
              tools.forEach((tool, i) => {{ tool.active = i === chosen }})
            """,
            args={name: tool for tools in named for name, tool in tools.items()},
        )

    def _switch(self, key: str) -> None:
        name = SWITCHES[key]
        self.state.param.update(**{name: not getattr(self.state, name)})

    def _show_report(self, *_: Any) -> None:
        self.report.object = report_link(self.state.bundle, self.state.bundle_name)

    def _armed(self, event: Any) -> None:
        self.state.tool = choice(event.new, TOOLS)

    def _combined(self, event: Any) -> None:
        self.state.combine = choice(event.new, COMBINATIONS)

    def _show_combine(self, event: Any) -> None:
        self.combine.value = event.new

    def _key(self, event: Any) -> None:
        try:
            key = choice(event.data, [*KEYS, *SWITCHES, "f", "Escape"], "key")
        except LimitError:
            return
        if key in KEYS:
            self.tool.value = KEYS[key]
        elif key in SWITCHES:
            self._switch(key)
        elif key == "f":
            self.state.view = None
        else:
            self.state.clear_selection()


KEEPS = "Of each source's nearest neighbors in latent space, the share near it on the map, too."
PLACED_APART = ("landmarks", "placed")


class StatusView(pn.viewable.Viewer):
    """One line: how many are in view and selected, what was done last, what the map keeps."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self._line = pn.pane.HTML(
            sizing_mode="stretch_width", margin=(5, 12), height=20, styles={"color": "#5B6675"}
        )
        place = ["bundle_name", "space_name", "projection_name"]
        state.param.watch(self._write, ["in_view", "selection", "status", "mine", *place])
        self._write()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._line

    def _write(self, *_: Any) -> None:
        state = self.state
        parts = [f"in view {state.in_view:,}"]
        if state.selection.any():
            parts.append(f"selected {state.selection.count:,}")
        if state.mine is not None:
            parts.append(f"{state.mine.on_the_map:,} of mine")
        parts.append(state.status or "click a source, wheel to zoom, l for the lasso")
        here = state.space.projection(state.projection_name)
        self._line.object = (
            '<div style="display:flex;gap:12px;white-space:nowrap">'
            '<span role="status" style="flex:1;overflow:hidden;text-overflow:ellipsis">'
            f"{safe_text('; '.join(parts))}</span>"
            f'<span title="{safe_text(how_made(here.settings, here.quality))}">'
            f"{safe_text(trust(here.quality, here.settings))}</span></div>"
        )


def trust(quality: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Say how a map was made and how much of the true neighborhoods it keeps, as measured then."""
    name = MAP_METHODS.get(settings.get("method", ""), "map")
    placed, who = quality.get("placed"), ""
    if placed is not None:
        name += f" of {settings['landmarks']:,} landmarks, {settings['placed']:,} placed"
        quality, who = placed, ": placed sources"
    kept, asked = quality.get("neighbors_kept"), quality.get("neighbors")
    if not isinstance(kept, float):
        return f"{name}: what it keeps was not measured"
    share = f"{100 * kept:.0f} % of the {asked} nearest"
    return f"{name}{who} {'keep' if who else 'keeps'} {share}"


def how_made(settings: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    """Say what the share means, how well each kind of source is placed, and the parameters."""
    parts = [KEEPS]
    for who, kind in (("all", quality), *((n, quality.get(n, {})) for n in PLACED_APART)):
        if "trustworthiness_in_sample" in kind:
            kept = f"{100 * kind['neighbors_kept']:.1f} % kept"
            measured = f"trustworthiness {kind['trustworthiness_in_sample']:.3f}"
            parts.append(f"{who} ({kind['sources']:,}): {kept}, {measured}")
    made = [f"{n.replace('_', ' ')} {_plain(v)}" for n, v in settings.items()]
    return "\n".join([*parts, ", ".join(made)])


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return " + ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
