"""What all views of the right column share: they draw only while they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import panel as pn
import param
from numpy.typing import NDArray

from dashboard.limits import LimitError
from dashboard.markup import html_pane, sentence
from dashboard.state import ExplorerState
from dashboard.theme import NO_LABEL
from latent_core.errors import LatentError
from latent_core.frames import LazyFrame

CLASS_COLUMNS = ("macro_class", "best_class_name", "class_label", "label")
MAGNITUDES = ("phot_g_mean_mag", "magnitude_mean")


class LazyView(pn.viewable.Viewer):
    """A view that redraws when the named state parameters change, if its tab is `active`.

    Subclasses write `_draw`. A refusal (LatentError, LimitError) becomes one sentence in `notice`.
    """

    active = param.Boolean(default=True, doc="whether the tab of this view is open")

    def __init__(self, state: ExplorerState, depends: Sequence[str]) -> None:
        super().__init__()
        self.state = state
        self.notice = html_pane(visible=False)
        self._stale = True
        known = [name for name in depends if name in state.param]
        state.param.watch(self._changed, known)
        self.param.watch(self._opened, "active")

    def _changed(self, *_: Any) -> None:
        self._stale = True
        self.refresh()

    def _opened(self, *_: Any) -> None:
        self.refresh()

    @property
    def class_column(self) -> str | None:
        """The class column of the legend, else the catalog's first, None where there is none."""
        chosen = self.state.class_column
        return chosen or next((name for name in CLASS_COLUMNS if name in self._table), None)

    @property
    def magnitude_column(self) -> str | None:
        """The catalog column that holds the mean G magnitude, None where there is none."""
        return next((name for name in MAGNITUDES if name in self._table), None)

    def record(self, row: int) -> dict[str, Any]:
        """Return one catalog row; cell by cell, because a row as a Series turns ids to floats."""
        return {name: self._table[name].iloc[row] for name in self._table}

    @property
    def _table(self) -> LazyFrame:
        return self.state.bundle.table

    def refresh(self) -> None:
        """Draw, if something changed and somebody looks."""
        if self.active and self._stale:
            self._stale = False
            self.guard(self._draw)

    def draw_ahead(self) -> None:
        """Draw although the tab is shut, so that it is never empty when it is opened."""
        if self._stale:
            self._stale = False
            self.guard(self._draw)

    def open_source(self, row: int) -> None:
        """Make a row current; the map moves only if the row is not on the screen."""
        place, view = self.state.place(row), self.state.view
        if place is None or view is None or _inside(place, view):
            self.state.current_row = row
        else:
            self.state.go_to(row)

    def guard(self, work: Any, *arguments: Any) -> None:
        """Do something that may be refused, and say why in one sentence if it is."""
        try:
            work(*arguments)
        except (LatentError, LimitError) as error:
            self.say(str(error), alert=True)

    def say(self, text: str, *, alert: bool = False) -> None:
        """Show one sentence in the notice, or hide it where the text is empty."""
        self.notice.param.update(
            object=sentence(text, alert=alert) if text else "", visible=bool(text)
        )

    def _draw(self) -> None:
        raise NotImplementedError


def _inside(place: tuple[float, float], view: Sequence[float]) -> bool:
    left, right, bottom, top = view
    return left <= place[0] <= right and bottom <= place[1] <= top


def class_texts(values: pd.Series) -> NDArray:
    """Return class names as text, `no label` where there is none."""
    return values.astype(object).where(values.notna(), NO_LABEL).astype(str).to_numpy()
