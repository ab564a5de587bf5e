"""What the drawer holds: planes of astronomy and histograms, drawn only while one is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import panel as pn

from dashboard.colouring import Numbers, colour_choices
from dashboard.controls import LOOK, checkbox, titled
from dashboard.gestures import with_lock
from dashboard.histogram import Binned, Counts, count, rows_between
from dashboard.histogram_plot import HistogramPlot
from dashboard.limits import LimitError, choice
from dashboard.markup import html_pane, sentence
from dashboard.plane_plot import PlanePlot
from dashboard.plane_store import (
    POOL,
    bins_of,
    drawn_colours,
    has_bins,
    has_plane,
    plane_of,
    read_values,
)
from dashboard.state import DRAWER_TABS, Combine, ExplorerState
from latent_core.errors import LatentError
from latent_core.planes import Offer, Placed, Plane, pair, planes_of

CONTROLS_WIDTH = 208
HISTOGRAMS, PAIR = "histograms", "pair"
TITLES = ("Histograms", "CMD/HRD", "Sky", "Period-amplitude", "Latent pair")
TABS = dict(zip(DRAWER_TABS, TITLES, strict=True))
COLOURED = ""  # the choice of whatever the map is coloured by
FIRST_HISTOGRAMS = ("phot_g_mean_mag", "magnitude_mean")
BRUSH = (
    "A drag over the bars selects the sources in that range (there are no filters yet). "
    "Shift adds to the selection, Alt takes away, both keep what is in either."
)
T = TypeVar("T")


def number_names(state: ExplorerState) -> dict[str, tuple[str, ...]]:
    """Return the names of numbers by group: latents and catalog columns."""
    found = dict(colour_choices(state.bundle, state.space_name))
    return {title: found[title] for title in ("Latents", "Numbers") if title in found}


class Part:
    """One kind of content: controls beside a plot, both empty until the part is opened."""

    def __init__(self, state: ExplorerState, document: Any) -> None:
        self.state, self._document = state, document
        self.active = False
        self._turn = 0
        self.note = html_pane(margin=(2, 4))
        self.controls = pn.Column(width=CONTROLS_WIDTH, margin=(4, 0, 0, 8), visible=False)
        self.plot = pn.Column(
            pn.Spacer(sizing_mode="stretch_both"),  # the spinner needs a place before the plot is
            sizing_mode="stretch_both", margin=0, visible=False,
        )  # fmt: skip

    def shut(self) -> None:
        """Stop drawing."""
        self.active = False
        self._turn += 1
        self.controls.visible = self.plot.visible = self.plot.loading = False

    def _open(self) -> None:
        self.active = True
        self.controls.visible = self.plot.visible = True

    def _soon(self, ready: bool, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Call `done(work())`: soon where it is quick, else once it is made in a thread."""
        self._turn += 1
        turn, document = self._turn, self._document
        if document is None or document.session_context is None:
            self._finish(work, done)
            return

        def finish(result: Callable[[], T]) -> None:
            if turn == self._turn:  # else something newer is wanted by now
                self._finish(result, done)

        if ready:  # at the next tick, under the document's lock
            document.add_next_tick_callback(lambda: finish(work))
            return
        self.plot.loading = True
        self.note.object = sentence(f"Reading {self.state.size:,} sources.")
        POOL.submit(work).add_done_callback(
            lambda found: document.add_next_tick_callback(lambda: finish(found.result))
        )

    def _finish(self, result: Callable[[], T], done: Callable[[T], None]) -> None:
        self.plot.loading = False
        try:
            found = result()
        except LatentError as error:  # a column whose file was changed, say
            self._excuse(str(error))
        else:
            done(found)

    def _excuse(self, text: str) -> None:
        """Say in the plot's place why there is none."""
        self._turn += 1
        self.note.object = ""
        excuse = html_pane(sentence(text), margin=(20, 12))
        self.plot.param.update(objects=[excuse], loading=False)

    def _chosen(self, name: str, value: object) -> None:
        """Keep a choice in the state; a copy, so that watchers see it."""
        self.state.drawer_choice = {**self.state.drawer_choice, name: value}


def _select(name: str, **options: Any) -> pn.widgets.Select:
    return pn.widgets.Select(
        name=name, stylesheets=LOOK, sizing_mode="stretch_width", margin=(0, 4, 4, 4), **options
    )


class PlanePart(Part):
    """The planes: which one, its axes where they can be chosen, its plot, what it leaves out."""

    def __init__(self, state: ExplorerState, document: Any, tools: dict[str, Any]) -> None:
        super().__init__(state, document)
        self._tools = tools
        self._tab = PAIR
        self._syncing = False
        self._view: PlanePlot | None = None
        self._caption = ""
        self.which = _select("Diagram")
        self.x, self.y = _select("x"), _select("y")
        for widget in (self.which, self.x, self.y):
            widget.param.watch(self._picked, "value")

    def open(self, tab: str) -> None:
        """Show the plane of a tab, or say why there is none."""
        self._tab = tab
        self._open()
        offer = self._offer()
        self._show_controls(offer)
        if not offer.planes:
            self._excuse(offer.missing)
            return
        plane = self._plane(offer)
        place = (self.state.bundle, self.state.space_name, plane)
        colour = self.state.colour_by

        def work() -> Placed:
            drawn_colours(*place, colour)
            return plane_of(*place)

        self._soon(has_plane(*place), work, self._show)

    def recolour(self) -> None:
        """Draw anew with the state's colours, selection and legend."""
        if self.active and self._view is not None:
            with_lock(self._view.figure, self._view.recolour)

    def mark(self) -> None:
        """Ring the current source and the similar ones."""
        if self.active and self._view is not None:
            with_lock(self._view.figure, self._view.mark)

    def fit(self) -> None:
        """Show the whole plane."""
        if self._view is not None:
            with_lock(self._view.figure, self._view.fit)

    def _offer(self) -> Offer:
        if self._tab != PAIR:
            return planes_of(self.state.bundle.columns)[self._tab]
        names = self._names()
        if len(names) < 2:
            return Offer((), "This bundle has fewer than two numbers a source.")
        kept = self.state.drawer_choice
        x, y = (kept.get(axis) for axis in ("x", "y"))
        x = x if x in names else names[0]
        y = y if y in names else names[1]
        return Offer((pair(self.state.column(str(x)), self.state.column(str(y))),))

    def _names(self) -> list[str]:
        return [name for names in number_names(self.state).values() for name in names]

    def _plane(self, offer: Offer) -> Plane:
        wanted = self.state.drawer_choice.get(self._tab)
        return next((p for p in offer.planes if p.name == wanted), offer.planes[0])

    def _show_controls(self, offer: Offer) -> None:
        self._syncing = True
        try:
            widgets: list[Any] = []
            if self._tab == PAIR and offer.planes:
                widgets = [self.x, self.y]
                groups = {
                    title: titled(names, lambda n: self.state.column(n).title)
                    for title, names in number_names(self.state).items()
                }
                for widget, name in zip(widgets, offer.planes[0].needs, strict=True):
                    widget.param.update(groups=groups, value=name)
            elif len(offer.planes) > 1:
                widgets = [self.which]
                options = {plane.title: plane.name for plane in offer.planes}
                self.which.param.update(options=options, value=self._plane(offer).name)
            self.controls.objects = [*widgets, self.note]
        finally:
            self._syncing = False

    def _picked(self, event: Any) -> None:
        if self._syncing:
            return
        try:
            if event.obj is self.which:
                offered = [plane.name for plane in self._offer().planes]
                self._chosen(self._tab, choice(event.new, offered, "plane"))
            else:
                axis = "x" if event.obj is self.x else "y"
                shown = {"x": self.x.value, "y": self.y.value}
                shown[axis] = choice(event.new, self._names(), "column")
                self.state.drawer_choice = {**self.state.drawer_choice, **shown}
        except LimitError as error:
            self.state.status = str(error)

    def _show(self, plane: Placed) -> None:
        parts = [plane.plane.caption]
        if plane.missing:
            parts.append(f"{plane.missing:,} of {self.state.size:,} sources have no place here.")
        self._caption = " ".join(part for part in parts if part)
        if self._view is None:
            self._view = PlanePlot(self.state, self._tools, plane, self._told)
            self._pane = pn.pane.Bokeh(self._view.figure, sizing_mode="stretch_both", margin=0)
        else:
            self._view.show(plane)
        if self.plot.objects != [self._pane]:
            self.plot.objects = [self._pane]

    def _told(self, in_view: int) -> None:
        self.note.object = sentence(f"In view {in_view:,}.") + sentence(self._caption)


class HistogramPart(Part):
    """The histogram of one column, the map's colour unless another is chosen."""

    def __init__(self, state: ExplorerState, document: Any) -> None:
        super().__init__(state, document)
        self._syncing = False
        self._view: HistogramPlot | None = None
        self.column = _select("Column")
        self.log_values, self.log_counts = checkbox("log values"), checkbox("log counts")
        self._tip = pn.widgets.TooltipIcon(value=BRUSH, margin=(6, 2))
        self.column.param.watch(self._picked, "value")
        for name in ("log_values", "log_counts"):
            getattr(self, name).param.watch(self._ticked, "value")
        self.controls.objects = [
            self.column,
            pn.Row(self.log_values, self.log_counts, self._tip, margin=0),
            self.note,
        ]

    @property
    def name(self) -> str:
        """The column that is shown, empty where the bundle has no numbers."""
        names = self._names()
        wanted = self.state.drawer_choice.get(HISTOGRAMS, COLOURED)
        coloured = isinstance(self.state.colouring, Numbers)
        tried = (wanted, self.state.colour_by if coloured else "", *FIRST_HISTOGRAMS, *names)
        return next((str(name) for name in tried if name in names), "")

    def open(self, tab: str = HISTOGRAMS) -> None:
        """Show the histogram, or say why there is none."""
        self._open()
        self._show_controls()
        name, log = self.name, bool(self.state.drawer_choice.get("log_values"))
        if not name:
            self._excuse("This bundle has no number a source: there is nothing to count.")
            return
        place = (self.state.bundle, self.state.space_name, name)
        shown, selection = self.state.shown, self.state.selection

        def work() -> tuple[Binned, Counts]:
            bins = bins_of(*place, log=log)
            return bins, count(bins, shown, selection)

        self._soon(has_bins(*place, log=log), work, lambda found: self._show(*found))

    def recolour(self) -> None:
        """Count again after the selection, the legend or the map's colour changed."""
        if self.active:
            self.open()

    def _names(self) -> list[str]:
        groups = number_names(self.state)
        return [name for title in ("Numbers", "Latents") for name in groups.get(title, ())]

    def _show_controls(self) -> None:
        self._syncing = True
        try:
            groups = number_names(self.state)
            options = {
                title: titled(groups[title], lambda n: self.state.column(n).title)
                for title in ("Numbers", "Latents")
                if title in groups
            }
            first = {"Default": {"the map's colour, else G": COLOURED}}
            kept = self.state.drawer_choice
            wanted = kept.get(HISTOGRAMS, COLOURED)
            value = wanted if wanted in self._names() else COLOURED
            self.column.param.update(groups=first | options, value=value)
            self.log_values.value = bool(kept.get("log_values"))
            self.log_counts.value = bool(kept.get("log_counts"))
        finally:
            self._syncing = False

    def _picked(self, event: Any) -> None:
        if self._syncing:
            return
        try:
            self._chosen(HISTOGRAMS, choice(event.new, [COLOURED, *self._names()], "column"))
        except LimitError as error:
            self.state.status = str(error)

    def _ticked(self, event: Any) -> None:
        if not self._syncing:
            name = "log_values" if event.obj is self.log_values else "log_counts"
            self._chosen(name, bool(event.new))

    def _show(self, bins: Binned, counts: Counts) -> None:
        if self._view is None:
            self._view = HistogramPlot(self.state, self._brushed)
            self._pane = pn.pane.Bokeh(self._view.figure, sizing_mode="stretch_both", margin=0)
        log_counts = bool(self.state.drawer_choice.get("log_counts"))
        self._view.show(bins, counts, log_counts=log_counts)
        if self.plot.objects != [self._pane]:
            self.plot.objects = [self._pane]
        label = bins.column.label or bins.column.name
        inside, chosen = int(counts.shown.sum()), int(counts.selected.sum())
        parts = [
            f"Bars: {inside:,} shown" + (f", {chosen:,} of them selected." if chosen else ".")
        ]
        if counts.outside:
            parts.append(f"Outside the axis: {counts.outside:,}.")
        if counts.missing:
            parts.append(f"{counts.missing:,} have no {label}.")
        self.note.object = sentence(" ".join(parts))

    def _brushed(self, low: float, high: float, how: Combine) -> None:
        values = read_values(self.state.bundle, self.state.space_name, self.name)
        self.state.select(rows_between(values, low, high, self.state.shown), how)
