"""Decode any point of the latent space with one slider a latent; the nearest real star beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import panel as pn
from numpy.typing import NDArray

from dashboard.cards import DEAD_LATENT, ModalityCard, block_names, block_title, modality_title
from dashboard.colouring import Classes, colouring
from dashboard.controls import button, select, slider
from dashboard.lazy import LazyView
from dashboard.limits import within
from dashboard.markup import fact, facts, html_pane, sentence
from dashboard.state import ExplorerState
from latent_core import Bundle, LatentSpace
from latent_core.crossmodal import predict_block

PAUSE_MS = 40
NO_PRESET = "class median ..."
NO_MODEL = "This bundle has no model: nothing can be decoded, but the nearest star is real."


# More are not asked: a quantile of so many moves by a hundredth of its class's width
MOST_SOURCES, MOST_MEMBERS = 200_000, 20_000


@dataclass(frozen=True)
class Starts:
    """Where a walk may start: the 1 and 99 % of every latent (K, 2), medians of all and by class.

    Exact up to MOST_SOURCES sources and MOST_MEMBERS of a class; beyond, of as many that lie
    evenly through the catalog.
    """

    ranges: NDArray[np.float64]
    median: NDArray[np.float64]
    by_class: Mapping[str, NDArray[np.float64]]


@lru_cache(maxsize=16)
def starts(bundle: Bundle, name: str, column: str | None) -> Starts:
    """Return the starts of a space, once for all sessions."""
    space = bundle.space(name)
    known = space.latents[_evenly(space.present, MOST_SOURCES)]
    low, high = np.percentile(known, [1, 99], axis=0)
    flat = high <= low
    ranges = np.stack([low - 0.5 * flat, high + 0.5 * flat], axis=1).astype(np.float64)
    by_class = class_medians(bundle, space, column) if column else {}
    return Starts(ranges, np.median(known, axis=0).astype(np.float64), by_class)


def class_medians(
    bundle: Bundle, space: LatentSpace, column: str
) -> dict[str, NDArray[np.float64]]:
    """Return the median latents of every class, by name."""
    classes = colouring(bundle, space.name, column)
    if not isinstance(classes, Classes):
        return {}
    codes = classes.codes[space.present]
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(classes.names) + 1))
    found = {}
    for name, (first, last) in sorted(zip(classes.names, pairwise(ends), strict=True)):
        if last > first:
            rows = space.present[_evenly(order[first:last], MOST_MEMBERS)]
            found[name] = np.median(space.latents[rows], axis=0).astype(np.float64)
    return found


def _evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most so many of ascending rows, at even distances."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


class WalkView(LazyView):
    """Sliders over the 1-99 % range of every latent, live curves, and the nearest real star."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__(state, ("bundle_name", "space_name", "projection_name", "current_row"))
        self.sliders: list[Any] = []
        self.latents = np.zeros(0)
        self._built: tuple[str, str] | None = None
        self._start_row = -1
        self._waiting = self._moving = False
        self._cards: dict[str, ModalityCard] = {}
        self._presets: Mapping[str, NDArray[np.float64]] = {}
        self._make_controls()
        self._slider_box, self._curves = pn.Column(), pn.Column()
        self.nearest = html_pane()
        self._no_model = html_pane(sentence(NO_MODEL), visible=False)
        self._layout = pn.Column(
            self.notice,
            pn.Row(self.from_current, self.from_median, self.preset, margin=(0, 4)),
            self._curves,
            self._no_model,
            pn.Row(self.nearest, self.jump),
            self._slider_box,
            sizing_mode="stretch_width",
        )

    def _make_controls(self) -> None:
        self.from_current = button("Current source", on_click=lambda _: self._from_current())
        self.from_median = button("Median", on_click=lambda _: self._from_median())
        self.preset = select("start from", [NO_PRESET], value=NO_PRESET, width=170)
        self.preset.param.watch(self._from_preset, "value")
        self.jump = button("Open", description="make the nearest star the current source")
        self.jump.on_click(lambda _: self._open_nearest())
        self._nearest_row = -1

    def __panel__(self) -> pn.viewable.Viewable:
        """Return sliders and curves."""
        self.refresh()
        return self._layout

    def _opened(self, *_: Any) -> None:
        """The ghost is on the map only while this tab is open."""
        if not self.active:
            self.state.ghost = None
        elif not self._stale:
            self._update()
        super()._opened()

    def _draw(self) -> None:
        self.say("")
        self._build()
        if self.state.current_row != self._start_row or not len(self.latents):
            self._start()
        self._update()

    def _build(self) -> None:
        """Make sliders, presets and cards once a space."""
        state, key = self.state, (self.state.bundle_name, self.state.space_name)
        if self._built == key:
            return
        self._built, self._start_row, self.latents = key, -1, np.zeros(0)
        space = state.space
        found = starts(state.bundle, space.name, self.class_column)
        self.ranges, self.median, self._presets = found.ranges, found.median, found.by_class
        self.preset.param.update(options=[NO_PRESET, *self._presets], value=NO_PRESET)
        self._make_sliders(space)
        simulated = state.bundle.simulated
        self._cards = {
            block: ModalityCard(modality_title(modality), simulated=simulated)
            for block, modality in space.models.items()
        }
        self._curves.objects = list(self._cards.values())
        self._no_model.visible = not self._cards

    def _make_sliders(self, space: LatentSpace) -> None:
        self.sliders = []
        for name, (low, high) in zip(space.latent_names, self.ranges, strict=True):
            step, dead = (high - low) / 200, name in space.dead
            label = f"{name}: {DEAD_LATENT}" if dead else name
            made = slider(label, low, high, (low + high) / 2, step=step, width=180, disabled=dead)
            made.param.watch(self._moved, "value")
            self.sliders.append(made)
        groups: list[Any] = []
        for block, part in space.blocks.items():
            groups.append(html_pane(sentence(f"latents of {block_title(block)}")))
            groups.append(pn.FlexBox(*self.sliders[part]))
        self._slider_box.objects = groups

    def _start(self) -> None:
        self._start_row = self.state.current_row
        if not self._from_current():
            self._from_median()

    def _from_current(self) -> bool:
        """Start from the current source; False where it has no place in this space."""
        row = self.state.current_row
        if not 0 <= row < self.state.size:
            return False
        space = self.state.space
        known = space.known_blocks(space.latents[row])
        if not known:
            self.say("The current source has no latents in this space; this is the median.")
            return False
        start = np.array(space.latents[row], np.float64)
        missing = [name for name in space.blocks if name not in known]
        for block in missing:
            sample = predict_block(space, space.latents[row], block).latents
            start[space.blocks[block]] = np.median(sample, axis=0)
        lacks = f"It lacks {block_names(missing)}: that starts as predicted." if missing else ""
        self.say(lacks)
        self._go(start)
        return True

    def _from_median(self) -> None:
        self._go(self.median)

    def _from_preset(self, *_: Any) -> None:
        name = self.preset.value
        if name in self._presets:
            self._go(self._presets[name])

    def _go(self, latents: NDArray[np.float64]) -> None:
        """Move all sliders at once; the point itself may lie beyond their ends."""
        self.latents = np.array(latents, np.float64)
        self._moving = True
        try:
            for made, value, (low, high) in zip(self.sliders, latents, self.ranges, strict=True):
                made.value = float(min(max(value, low), high))
        finally:
            self._moving = False
        self._update()

    def _moved(self, event: Any) -> None:
        if self._moving:
            return
        place = self.sliders.index(event.obj)
        self.guard(self._take, place, event.new)

    def _take(self, place: int, value: object) -> None:
        """Take a slider's value and redraw after a short pause, however many events come."""
        low, high = self.ranges[place]
        self.latents[place] = within(value, float(low), float(high), "latent")
        document = pn.state.curdoc
        if document is None or not document.session_context:
            self._update()
        elif not self._waiting:
            self._waiting = True
            document.add_timeout_callback(self._flush, PAUSE_MS)

    def _flush(self) -> None:
        self._waiting = False
        if self.active:  # a tab that was shut meanwhile must not bring its ghost back
            self._update()

    def _update(self) -> None:
        self.guard(self._decode)
        self.guard(self._find_nearest)
        self.guard(self._place_ghost)

    def _decode(self) -> None:
        row = self._start_row if self._start_row >= 0 else None
        for block, curves in self.state.space.decode(self.latents, row=row).items():
            self._cards[block].show((), curves)

    def _find_nearest(self) -> None:
        space = self.state.space
        hits = space.similar_to(self.latents, 1)
        self._nearest_row = int(hits["row"].iloc[0])
        source_id, distance = int(hits["source_id"].iloc[0]), float(hits["distance"].iloc[0])
        outside = bool(space.outside(self.latents[None])[0])
        text = f"Nearest star: {source_id}, at distance {distance:.2f}."
        parts = [sentence(text)]
        if outside:
            parts.append(sentence("This point lies outside the training data.", alert=True))
        parts.append(facts(self._star_facts(self._nearest_row)))
        self.nearest.object = "".join(parts)

    def _star_facts(self, row: int) -> list[tuple[str, str]]:
        wanted = (self.class_column, self.magnitude_column, "bp_rp", "period_d", "amplitude")
        names = [n for n in (*wanted, "teff", "logg", "fe_h", "alpha_m") if n in self.state.frame]
        describe = self.state.bundle.column
        record = self.record(row)
        return [(describe(n).label or n, fact(record, describe(n))) for n in names if n]

    def _place_ghost(self) -> None:
        place = self.state.space.project(self.latents[None], self.state.projection_name)[0]
        self.state.ghost = (float(place[0]), float(place[1]))

    def _open_nearest(self) -> None:
        if self._nearest_row >= 0:
            self.open_source(self._nearest_row)
