"""Sources that a visitor brought: beside the catalog, never in it.

They live in one session's state, in no selection, count, index or file of the catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID

if TYPE_CHECKING:
    from latent_core.placing import Placed
    from latent_core.surveys.brought import Brought

MINE_TAB = "My sources"
KNOWN, KNOWN_TOO = "in the catalog", "in the catalog, placed"
INSIDE, OUTSIDE = "placed, inside", "placed, OUTSIDE"
NO_PLACE, UNKNOWN = "no place", "not in this bundle"
STATUSES = (INSIDE, OUTSIDE, KNOWN_TOO, KNOWN, NO_PLACE, UNKNOWN)
TOLD_LINES, LONGEST_TOLD = 3, 60
# how a spectrum is written says nothing of its source
_NOT_TOLD = {SOURCE_ID, "has_bp", "has_rp", "bp_n_parameters", "rp_n_parameters"}


@dataclass(frozen=True, eq=False)
class Mine:
    """What was brought, where it was placed, and what the catalog knows of it.

    `rows` (M,) are the catalog rows, -1 for none; `own_places` (M, 2) those rows' places on the
    map, NaN where there is none: of a source with data, `placed` holds another.
    """

    brought: Brought
    placed: Placed
    rows: NDArray[np.int64]
    own_places: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def on_the_map(self) -> int:
        """How many have a place on this map."""
        return int(np.isfinite(self.placed.coordinates).all(axis=1).sum())

    @cached_property
    def status(self) -> NDArray[np.object_]:
        """What became of each source, (M,): one of STATUSES."""
        placed = self.placed
        there = np.isfinite(placed.coordinates).all(axis=1)
        status = np.where(placed.in_catalog, KNOWN, UNKNOWN).astype(object)
        status[placed.encoded & ~there] = NO_PLACE
        drawn = placed.encoded & there
        status[drawn] = np.where(placed.inside[drawn], INSIDE, OUTSIDE)
        status[drawn & placed.in_catalog & placed.inside] = KNOWN_TOO
        return status

    @property
    def counts(self) -> Mapping[str, int]:
        """How many sources have each status, those without any left out."""
        found = {name: int((self.status == name).sum()) for name in STATUSES}
        return {name: count for name, count in found.items() if count}

    @cached_property
    def lit(self) -> NDArray[np.int64]:
        """Catalog rows of the sources that the catalog holds, ascending and unique."""
        return np.unique(self.rows[self.rows >= 0])

    @cached_property
    def drawn(self) -> NDArray[np.int64]:
        """Which sources were encoded from their own data and have a place."""
        there = np.isfinite(self.placed.coordinates).all(axis=1)
        return np.flatnonzero(self.placed.encoded & there)

    @cached_property
    def lit_places(self) -> NDArray[np.float32]:
        """Places of the catalog's points of known sources, (L, 2), those that have one."""
        return self.own_places[np.isfinite(self.own_places).all(axis=1)]

    def place(self, item: int) -> tuple[float, float] | None:
        """Return where a source stands on the map, None where it has no place."""
        x, y = self.placed.coordinates[item]
        return (float(x), float(y)) if np.isfinite(x) and np.isfinite(y) else None

    def pick(self, x: float, y: float, reach: tuple[float, float]) -> int:
        """Return the drawn source nearest to a place of the map within reach, -1 for none."""
        if not len(self.drawn):
            return -1
        away = np.hypot(*((self.placed.coordinates[self.drawn] - (x, y)) / reach).T)
        nearest = int(np.argmin(away))
        return int(self.drawn[nearest]) if away[nearest] <= 1 else -1

    def told(self, item: int) -> list[tuple[str, str]]:
        """Return what the files say of a source beside its data, words first, as plain texts."""
        row = self._told_row[int(self.placed.source_id[item])]
        frame = self.brought.told
        found = [(str(n), frame[n].iloc[row]) for n in frame.columns if n not in _NOT_TOLD]
        found.sort(key=lambda pair: not isinstance(pair[1], str))
        return [(name, _text(value)) for name, value in found if not pd.isna(value)]

    @cached_property
    def _told_row(self) -> dict[int, int]:
        return {int(i): row for row, i in enumerate(self.brought.told[SOURCE_ID])}

    def told_lines(self, item: int) -> str:
        """Return the first of `told` as lines of a hover card, each after a line break."""
        pairs = self.told(item)[:TOLD_LINES]
        return "".join(f"\n{name}: {text}"[: LONGEST_TOLD + 1] for name, text in pairs)

    def told_of_row(self, row: int) -> str:
        """Return the lines of a known catalog row's hover card, "" for any other row."""
        items = np.flatnonzero(self.rows == row)
        return "\none of mine" + self.told_lines(int(items[0])) if len(items) else ""

    def frame(self) -> pd.DataFrame:
        """Return the table that is exported: what was placed, its status, what the files say."""
        frame = self.placed.frame()
        frame.insert(1, "status", self.status)
        told = self.brought.told
        fresh = [name for name in told.columns if name == SOURCE_ID or name not in frame]
        return frame.merge(told[fresh], on=SOURCE_ID, how="left")


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
