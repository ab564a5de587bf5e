"""The one shared state of a session; every view reads it, none talks to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
import param
from numpy.typing import NDArray

from latent_core import Bundle, LatentSpace
from latent_core.catalog import Column

Combine = Literal["new", "add", "subtract", "intersect"]


class ExplorerState(param.Parameterized):
    """What is open, coloured, selected and looked at.

    Masks are (N,) bool over catalog rows, shared by all spaces of a bundle. Arrays are replaced,
    never written into, so that a watcher sees every change.
    """

    bundle_name = param.String(doc="name of the bundle on the screen")
    space_name = param.String(doc="space of that bundle")
    projection_name = param.String(doc="map of that space")
    colour_by = param.String(doc="catalog column or latent name")
    hidden_classes = param.List(item_type=str, doc="legend rows that are switched off")
    selection = param.Array(doc="(N,) bool: selected rows")
    current_row = param.Integer(default=-1, bounds=(-1, None), doc="row whose card is open")
    hits = param.DataFrame(doc="similar sources of the current one, nearest first")
    combine = param.Selector(default="new", objects=["new", "add", "subtract", "intersect"])
    status = param.String(doc="one sentence: the last action or what is wrong")

    def __init__(self, bundles: Mapping[str, Bundle]) -> None:
        self.bundles = dict(bundles)
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
    def frame(self) -> pd.DataFrame:
        """The catalog's frame."""
        return self.bundle.catalog

    @property
    def size(self) -> int:
        """Sources in the catalog."""
        return len(self.frame)

    def column(self, name: str) -> Column:
        """Describe a catalog column or a latent."""
        if name in self.space.latent_names:
            return Column(name, description="latent")
        return self.bundle.folder.catalog.column(name)

    def values(self, name: str) -> NDArray:
        """Return a catalog column or a latent over all rows, (N,)."""
        if name in self.space.latent_names:
            return np.asarray(self.space.latents[:, self.space.latent_names.index(name)])
        return self.frame[name].to_numpy()

    def open_bundle(self, name: str) -> None:
        """Show another bundle; selection, hits and card start afresh."""
        bundle = self.bundles[name]
        space = bundle.space()
        with param.parameterized.batch_call_watchers(self):
            self.bundle_name = name
            self.space_name = space.name
            self.projection_name = space.projections[0]
            self.selection = np.zeros(len(bundle.catalog), bool)
            self.hidden_classes = []
            self.hits = None
            self.current_row = -1
            self.status = ""

    def open_space(self, name: str) -> None:
        """Show another space of the same bundle; selection and card stay."""
        space = self.bundle.space(name)
        with param.parameterized.batch_call_watchers(self):
            self.space_name = name
            self.projection_name = space.projections[0]

    def select(self, rows: NDArray[np.int64], how: Combine | None = None) -> None:
        """Combine catalog rows with the selection; an empty result of a gesture keeps the old."""
        mask = np.zeros(self.size, bool)
        mask[rows] = True
        old = self.selection
        result = {
            "new": mask,
            "add": old | mask,
            "subtract": old & ~mask,
            "intersect": old & mask,
        }[how or self.combine]
        if not result.any() and how != "subtract" and old.any():
            self.status = "nothing inside: the old selection stays"
            return
        self.selection = result
        self.status = f"{int(result.sum()):,} selected"
