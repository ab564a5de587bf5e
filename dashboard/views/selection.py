"""What is selected: classes, columns, median spectra, members, and the selection as a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models.widgets.tables import NumberFormatter
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap
from dashboard.cards import ModalityCard, modality_title
from dashboard.colouring import Classes, colouring
from dashboard.controls import button, download, member_table
from dashboard.exports import file_name, to_csv, to_votable
from dashboard.later import later
from dashboard.lazy import LazyView, class_texts
from dashboard.markup import folded_away, heading, html_pane, number, sentence, table
from dashboard.state import ExplorerState
from dashboard.statistics import (
    ClassShare,
    class_shares,
    median_curves,
    numeric_columns,
    relative,
    sample_rows,
    spread,
    thinned,
)
from dashboard.theme import class_title
from latent_core import Bundle
from latent_core.catalog import Column
from latent_core.frames import LazyFrame
from latent_core.modalities import Curve

LISTED, SHOWN_CLASSES, SHOWN_COLUMNS, CURVES = 200, 8, 10, 300
MEASURING = "Measuring the columns …"
DRAW_A_LASSO = "Draw a lasso (l) to describe a part."


def headline(selected: int, total: int) -> str:
    """Say how much is described."""
    if not selected:
        return f"The whole map: {total:,} sources."
    return f"{selected:,} of {total:,} sources selected ({selected / total:.1%})."


def class_table(shares: Sequence[ClassShare]) -> str:
    """Return the classes against the map, the rarest folded away."""
    rows = [
        (
            class_title(share.name),
            f"{share.selected:,}",
            f"{share.total:,}",
            f"{share.fraction:.1%}",
            f"{share.ratio:.2f}×" if share.ratio < 100 else f"{share.ratio:,.0f}×",
        )
        for share in shares
    ]
    header = ("class", "selected", "on the map", "share", "enriched")
    text = table(header, rows[:SHOWN_CLASSES])
    more = rows[SHOWN_CLASSES:]
    return text + (folded_away(f"{len(more)} more classes", table(header, more)) if more else "")


def column_table(bundle: Bundle, columns: Sequence[Column], selected: Bitmap) -> str:
    """Return median and 16-84 % of each number in the selection, against the map's median."""
    rows = []
    for column in columns:
        found = spread(bundle, column.name, selected)
        if found is not None:
            band = f"{number(found.low, 4)} – {number(found.high, 4)}"
            label = column.title + (f" ({found.missing:,} missing)" if found.missing else "")
            rows.append((label, number(found.median, 4), band, number(found.of_all, 4)))
    header = ("column", "median", "16–84 %", "map median")
    text = table(header, rows[:SHOWN_COLUMNS])
    more = rows[SHOWN_COLUMNS:]
    return text + (folded_away(f"{len(more)} more columns", table(header, more)) if more else "")


def member_frame(frame: LazyFrame, rows: NDArray[np.int64], names: Sequence[str]) -> pd.DataFrame:
    """Return members as the table shows them: ids and classes are text."""
    shown = pd.DataFrame({"source_id": [str(i) for i in frame["source_id"].to_numpy()[rows]]})
    for name in names:
        values = frame[name].iloc[rows]
        numeric = pd.api.types.is_numeric_dtype(values)
        shown[name] = (
            values.to_numpy() if numeric else [class_title(n) for n in class_texts(values)]
        )
    return shown


class SelectionView(LazyView):
    """The report of a selection, or of the whole map while nothing is selected."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__(state, ("bundle_name", "selection", "class_column"))
        self.head, self.report = html_pane(margin=(6, 8, 0, 8)), html_pane()
        self.columns = html_pane()
        self.curves_note = html_pane()
        self._plots = pn.Column(sizing_mode="stretch_width")
        self.medians = button("Draw median curves", on_click=lambda _: self._draw_medians())
        self.members_note = html_pane()
        self.members = member_table(height=260)
        self.members.on_click(self._clicked)
        self._listed = np.empty(0, np.int64)
        self._make_downloads()
        self._layout = pn.Column(
            self.notice,
            self.head,
            self._downloads,
            self.report,
            self.columns,
            self.medians,
            self.curves_note,
            self._plots,
            self.members_note,
            self.members,
            sizing_mode="stretch_width",
        )

    def _make_downloads(self) -> None:
        self.csv = self._download("CSV", to_csv)
        self.votable = self._download("VOTable", to_votable)
        self._downloads = pn.Row(self.csv, self.votable, margin=(0, 4))

    def _download(self, label: str, write: Callable[..., bytes]) -> pn.widgets.FileDownload:
        return download(label, lambda: io.BytesIO(write(self.state.bundle, self._rows())))

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the report."""
        self.refresh()
        return self._layout

    def _rows(self) -> Bitmap:
        """The selected rows, or all of them where nothing is selected."""
        selection = self.state.selection
        return selection if selection.any() else Bitmap.all(self.state.size)

    def _draw(self) -> None:
        """Show counts and classes at once; columns and members come after the map's picture."""
        state, rows = self.state, self._rows()
        self.say("")
        selected = state.selection.count
        text = sentence(headline(selected, state.size))
        self.head.object = text + ("" if selected else sentence(DRAW_A_LASSO))
        self.report.object = self._classes(rows)
        for link, suffix in ((self.csv, "csv"), (self.votable, "vot")):
            link.filename = file_name(state.bundle_name, rows.count, suffix)
        self._clear_medians()
        self.columns.object = sentence(MEASURING)
        bundle = state.bundle
        later(
            lambda: column_table(bundle, numeric_columns(bundle), rows),
            lambda text: self._show_details(text, bundle, rows),
        )

    def _show_details(self, text: str, bundle: Bundle, rows: Bitmap) -> None:
        if bundle is self.state.bundle and rows == self._rows():
            self.columns.object = text
            self._list_members(rows)

    def _classes(self, rows: Bitmap) -> str:
        if not self.class_column:
            return ""
        found = colouring(self.state.bundle, self.state.space_name, self.class_column)
        return class_table(class_shares(found, rows)) if isinstance(found, Classes) else ""

    def _list_members(self, rows: Bitmap) -> None:
        self._listed = rows.first(LISTED)
        wanted = (
            self.class_column,
            self.magnitude_column,
            "bp_rp",
            "period_d",
            "teff",
            "amplitude",
        )
        catalog = self.state.bundle.table
        names = [name for name in wanted if name and name in catalog][:4]
        shown = member_frame(catalog, self._listed, names)
        note = f"first {len(self._listed):,} of {rows.count:,} members"
        self.members_note.object = heading("Members", note)
        describe = self.state.bundle.column
        self.members.param.update(
            value=shown,
            titles={name: describe(name).label or name for name in shown.columns},
            formatters=_formatters(shown),
            widths={"source_id": 152} | dict.fromkeys(names, 64),
        )

    def _clicked(self, event: Any) -> None:
        """Open the card of a member; the table may be sorted, so the id decides."""
        ids = self.members.value["source_id"]
        place = int(event.row)
        if 0 <= place < len(ids):
            self.guard(self._open, int(ids.iloc[place]))

    def _open(self, source_id: int) -> None:
        self.open_source(self.state.bundle.row(source_id))

    def _clear_medians(self) -> None:
        """Forget the curves of the former selection; 300 decodes are made on demand."""
        self._plots.objects = []
        self.curves_note.object = ""
        self.medians.visible = bool(self.state.bundle.model_names)

    def _draw_medians(self) -> None:
        self.guard(self._medians)

    def _medians(self) -> None:
        bundle, members = self.state.bundle, self._rows()
        rows = sample_rows(members, CURVES)
        cards = []
        for name in bundle.model_names:
            observed, decoded = (
                median_curves([relative(_curves(read(int(row), name))) for row in rows])
                for read in (bundle.observed, bundle.reconstructed)
            )
            if observed or decoded:
                cards.append(self._card(bundle, name, observed, decoded))
        self._plots.objects = cards
        note = (
            f"Median and 16–84 % of {len(rows):,} of {members.count:,} members, "
            "each relative to its own mean."
        )
        self.curves_note.object = sentence(note)
        self.medians.visible = False

    def _card(
        self, bundle: Bundle, name: str, observed: list[Curve], decoded: list[Curve]
    ) -> ModalityCard:
        card = ModalityCard(f"{modality_title(name)}, median", simulated=bundle.simulated)
        card.show([thinned(c) for c in observed], decoded, compare=False)
        return card


def _formatters(shown: pd.DataFrame) -> dict[str, Any]:
    """Texts stay plain text, numbers get three decimals."""
    return {
        name: NumberFormatter(format="0.000")
        if pd.api.types.is_float_dtype(shown[name])
        else {"type": "plaintext"}
        for name in shown.columns
    }


def _curves(parts: Sequence[Any]) -> list[Curve]:
    return [part for part in parts if isinstance(part, Curve)]
