"""The one shared state of a session; every view reads it, none talks to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
import param
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap
from dashboard.colouring import (
    SCALES,
    Classes,
    Numbers,
    Ramp,
    colouring,
    default_colour,
    describe_column,
    ramp,
)
from dashboard.mine import Mine
from dashboard.selecting import box_around
from dashboard.showcase import showcase_row
from dashboard.theme import PALETTES, palette
from latent_core import Bundle, LatentSpace
from latent_core.catalog import Column, parse_source_id
from latent_core.errors import InputError, UnknownSourceError
from latent_core.projection import DrawingCopy

Combine = Literal["new", "add", "subtract", "intersect"]
Tool = Literal["pan", "lasso", "box", "polygon"]
TOOLS: tuple[Tool, ...] = ("pan", "lasso", "box", "polygon")
COMBINATIONS: tuple[Combine, ...] = ("new", "add", "subtract", "intersect")
DRAWER_TABS = ("histograms", "cmd", "sky", "period", "pair")
AROUND_A_SOURCE = 1000
MOST_HITS = 24


class ExplorerState(param.Parameterized):
    """What is open, coloured, selected and looked at.

    Sets of sources are bitmaps over catalog rows, shared by all spaces of a bundle. They are
    replaced, never written into, so that a watcher sees every change.
    """

    bundle_name = param.String(doc="name of the bundle on the screen")
    space_name = param.String(doc="space of that bundle")
    projection_name = param.String(doc="map of that space")
    colour_by = param.String(doc="catalog column or latent name")
    class_column = param.String(doc="class column of the legend: the last one coloured by")
    hidden_classes = param.List(item_type=str, doc="legend rows that are switched off")
    palette = param.Selector(default=PALETTES[0], objects=list(PALETTES))
    reverse_palette = param.Boolean(default=False)
    scale = param.Selector(default=SCALES[0], objects=list(SCALES))
    clip = param.Range(default=(1.0, 99.0), bounds=(0, 100), doc="per cent of the sources")
    selection = param.ClassSelector(
        class_=Bitmap, default=Bitmap.none(0), instantiate=False, doc="selected rows"
    )
    current_row = param.Integer(default=-1, bounds=(-1, None), doc="row whose card is open")
    hits = param.DataFrame(doc="similar sources of the current one, nearest first")
    ghost = param.Parameter(default=None, doc="(x, y) of a point that is no source, or None")
    view = param.Parameter(default=None, doc="x0, x1, y0, y1 on the screen; None: the whole map")
    in_view = param.Integer(default=0, doc="shown sources inside the view")
    tool = param.Selector(default="pan", objects=list(TOOLS), doc="what a drag on the map does")
    combine = param.Selector(default="new", objects=list(COMBINATIONS))
    mine = param.ClassSelector(class_=Mine, default=None, doc="sources that the visitor brought")
    current_mine = param.Integer(default=-1, bounds=(-1, None), doc="one of them, card open")
    tab = param.String(default="Source", doc="open tab of the right column")
    left_switched = param.Boolean(doc="left column is not as the window's width would have it")
    right_switched = param.Boolean(doc="right column is not as the window's width would have it")
    drawer_open = param.Boolean(doc="the planes and histograms below the map are open")
    drawer_tab = param.Selector(default=DRAWER_TABS[0], objects=list(DRAWER_TABS))
    drawer_choice = param.Dict(default={}, doc="by tab of the drawer: which plane or column")
    status = param.String(doc="one sentence: the last action or what is wrong")

    def __init__(self, bundles: Mapping[str, Bundle], *, public: bool = False) -> None:
        self.bundles, self.public = dict(bundles), public
        self._ramp_key: tuple | None = None
        self._ramp: Ramp | None = None
        self._shown: tuple[tuple, Bitmap] | None = None
        super().__init__()
        self.open_bundle(next(iter(self.bundles)))

    @property
    def bundle(self) -> Bundle:
        """The bundle on the screen."""
        return self.bundles[self.bundle_name]

    @property
    def space(self) -> LatentSpace:
        """The space on the screen."""
        return self.bundle.space(self.space_name)

    @property
    def drawing(self) -> DrawingCopy:
        """The points of the map on the screen, in drawing order."""
        return self.space.projection(self.projection_name).drawing

    @property
    def frame(self) -> pd.DataFrame:
        """The catalog's frame."""
        return self.bundle.catalog

    @property
    def size(self) -> int:
        """Sources in the catalog."""
        return len(self.bundle.table)

    def column(self, name: str) -> Column:
        """Describe a catalog column or a latent."""
        return describe_column(self.bundle, self.space_name, name)

    def values(self, name: str) -> NDArray:
        """Return a catalog column or a latent over all rows, (N,)."""
        if name in self.space.latent_names:
            return np.asarray(self.space.latents[:, self.space.latent_names.index(name)])
        return self.bundle.table[name].to_numpy()

    @property
    def colouring(self) -> Classes | Numbers:
        """What the map is coloured by; shared by the sessions."""
        return colouring(self.bundle, self.space_name, self.colour_by)

    @property
    def classes(self) -> Classes | None:
        """The classes of the legend, None where the catalog has none."""
        if not self.class_column:
            return None
        found = colouring(self.bundle, self.space_name, self.class_column)
        return found if isinstance(found, Classes) else None

    @property
    def ramp(self) -> Ramp | None:
        """The colour scale of the number on the map, None where it shows classes.

        Clipped to per cent of what is shown: a class that is switched off stretches nothing.
        """
        found = self.colouring
        if not isinstance(found, Numbers):
            return None
        column = (self.bundle_name, self.space_name, self.colour_by)
        key = (*column, tuple(self.hidden_classes), self.class_column, self.scale, self.clip)
        if key != self._ramp_key:
            seen = found.among(self.shown) if self.hidden_classes else found
            self._ramp_key, self._ramp = key, ramp(seen, self.scale, self.clip)
        return self._ramp

    @property
    def table(self) -> NDArray[np.uint8]:
        """Colours of the scale from low to high, (256, 3); of magnitudes the bright are high."""
        return palette(self.palette, reverse=self.reverse_palette != self.is_inverted)

    @property
    def is_inverted(self) -> bool:
        """Whether the number on the map runs downwards, as magnitudes do."""
        return self.colouring.column.inverted

    @property
    def shown(self) -> Bitmap:
        """Rows that pass the legend; zoom plays no part."""
        if self.classes is None or not self.hidden_classes:
            return Bitmap.all(self.size)
        key = (self.bundle_name, self.class_column, *self.hidden_classes)
        if self._shown is None or self._shown[0] != key:
            self._shown = (key, self.classes.shown(key[2:]))
        return self._shown[1]

    def open_bundle(self, name: str) -> None:
        """Show another bundle: selection and hits start afresh, the card shows its showcase."""
        bundle = self.bundles[name]
        space = bundle.space()
        with param.parameterized.batch_call_watchers(self):
            self.bundle_name = name
            self.class_column = ""
            self.hidden_classes = []
            self._open_map(space, space.projections[0])
            self.colour(default_colour(bundle, space.name))
            self.selection = Bitmap.none(len(bundle.table))
            self.hits = None
            self.current_row = -1
            self.status = ""
            self.showcase()

    def open_space(self, name: str) -> None:
        """Show another space of the same bundle; selection and card stay."""
        space = self.bundle.space(name)
        with param.parameterized.batch_call_watchers(self):
            lost = self.colour_by not in (*self.bundle.table, *space.latent_names)
            self._open_map(space, space.projections[0])
            self.hits = None
            if lost:
                self.colour(default_colour(self.bundle, name))

    def open_projection(self, name: str) -> None:
        """Show another map of the same space."""
        self.space.projection(name)
        with param.parameterized.batch_call_watchers(self):
            self._open_map(self.space, name)

    def bring(self, mine: Mine | None) -> None:
        """Put sources of the visitor's own beside the catalog's, None for none of them."""
        with param.parameterized.batch_call_watchers(self):
            self.current_mine = -1
            self.mine = mine

    def _open_map(self, space: LatentSpace, projection: str) -> None:
        self.space_name, self.projection_name = space.name, projection
        self.ghost = None
        self.mine = None  # it was placed on another map; who keeps it places it again
        self.current_mine = -1
        self.view = None

    def colour(self, name: str) -> None:
        """Colour the map by a column or latent; a class column becomes the legend's."""
        with param.parameterized.batch_call_watchers(self):
            self.colour_by = name
            is_class = isinstance(self.colouring, Classes)
            if is_class and name != self.class_column:
                self.class_column = name
                self.hidden_classes = []
            if not is_class:
                self.clip = (1.0, 99.0)

    def select(self, rows: Bitmap | NDArray[np.int64], how: Combine | None = None) -> None:
        """Combine catalog rows with the selection; an empty result of a gesture keeps the old."""
        how = how or self.combine
        inside = rows if isinstance(rows, Bitmap) else Bitmap.from_rows(rows, self.size)
        old = self.selection
        result = {
            "new": lambda: inside,
            "add": lambda: old | inside,
            "subtract": lambda: old - inside,
            "intersect": lambda: old & inside,
        }[how]()
        if not result.any() and how != "subtract":
            kept = "the old selection stays" if old.any() else "nothing is selected"
            self.status = f"no source inside: {kept}"
            return
        self.selection = result
        changed = result.count - (0 if how == "new" else old.count)
        self.status = {
            "new": f"selected {changed:,}",
            "add": f"added {changed:,}",
            "subtract": f"took {-changed:,} away",
            "intersect": f"kept {result.count:,} of {old.count:,}",
        }[how]

    def clear_selection(self) -> None:
        """Select nothing."""
        if self.selection.any():
            self.selection = Bitmap.none(self.size)
            self.status = "selection cleared"

    def isolate(self, name: str) -> None:
        """Show one class alone; the only one left restores all."""
        if self.classes is None or name not in self.classes.names:
            return
        others = [other for other in self.classes.names if other != name]
        alone = set(self.hidden_classes) == set(others)
        self.hidden_classes = [] if alone else others

    def toggle(self, name: str) -> None:
        """Hide or show one class; the last one shown stays."""
        if self.classes is None or name not in self.classes.names:
            return
        hidden = set(self.hidden_classes) ^ {name}
        if len(hidden) < len(self.classes.names):
            self.hidden_classes = [n for n in self.classes.names if n in hidden]

    def place(self, row: int) -> tuple[float, float] | None:
        """Return where a row stands on the map, None where it has no place."""
        if not 0 <= row < self.size:
            return None
        x, y = self.space.projection(self.projection_name).coordinates[row]
        return (float(x), float(y)) if np.isfinite(x) and np.isfinite(y) else None

    def search(self, text: str) -> None:
        """Go to a source by its id; what is wrong becomes the status, nothing else changes."""
        try:
            row = self.bundle.row(parse_source_id(text))
        except UnknownSourceError:
            self.status = f"source {text.split()[-1]} is not in this bundle ({self.bundle_name})"
        except InputError as error:
            self.status = str(error)
        else:
            self.go_to(row)

    def go_to(self, row: int) -> None:
        """Make a row current and centre the map on it, about 1,000 sources in view."""
        place = self.place(row)
        with param.parameterized.batch_call_watchers(self):
            self.current_row = row
            name = f"source {self.bundle.folder.catalog.source_id[row]}"
            if place is None:
                self.status = f"{name} has no place on this map"
            else:
                self.view = box_around(self.drawing, *place, AROUND_A_SOURCE)
                self.status = f"centred on {name}"

    def showcase(self) -> None:
        """Open the card of a typical source: the RR Lyrae nearest its class median, else the
        source nearest the densest place of the map.
        """
        place = (self.bundle, self.space_name, self.projection_name)
        self.current_row = showcase_row(*place, self.class_column)
