"""My sources: pasted ids lit, own spectra and light curves placed, refused rows with reasons."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import panel as pn

from dashboard import limits
from dashboard.bringing import DropZone, Scratch, Work, place_mine
from dashboard.controls import LOOK, button, download, member_table
from dashboard.exports import file_name, own_csv, own_votable
from dashboard.lazy import LazyView
from dashboard.markup import heading, html_pane, sentence
from dashboard.mine import KNOWN, Mine
from dashboard.own_card import OwnCard
from dashboard.state import ExplorerState
from dashboard.theme import MINE
from latent_core.errors import LatentError
from latent_core.provenance import release_of
from latent_core.surveys.brought import Brought, brought_ids

LISTED, REFUSED_SHOWN = 500, 5
NO_FILES = "Files are not taken by a public server: install it and run gaia-latent serve for that."
FORMATS = (
    f"CSV, ECSV, VOTable, FITS or Parquet, up to {limits.LARGEST_UPLOAD // 2**20} MB: XP "
    "coefficients and epoch photometry as the archive gives them are encoded and placed; any "
    "other table is read for its ids. Only this page sees them; they are deleted as it closes."
)
FAULT = "A fault of ours stopped this; nothing was changed. The server's log says what it was."
KEY = (
    f'<p class="faint"><span style="color:{MINE}">○</span> in the catalog &ensp;'
    f'<span style="color:{MINE}">◇</span> placed, inside the training data &ensp;'
    f'<span style="color:{MINE}">▽</span> outside</p>'
)


def summary(mine: Mine) -> str:
    """Say what became of all sources that were brought."""
    parts = [f"{count:,} {name}" for name, count in mine.counts.items()]
    return f"{len(mine):,} of mine: {', '.join(parts) or 'none could be read'}."


class MineView(LazyView):
    """Takes ids and files, shows what became of them; a card of one replaces the list."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__(state, ("mine", "current_mine"))
        self._brought: Brought | None = None
        self._scratch: Scratch | None = None
        self._coming: Scratch | None = None
        self._map = self._open_map()
        self.work = Work(self._finished)
        self._make_inputs()
        self._make_results()
        self.card = OwnCard(state, self._open_neighbor)
        self.back = button("‹ All my sources", on_click=lambda _: self._close_card())
        self._opened_card = pn.Column(self.back, self.card, visible=False)
        self._list = pn.Column(
            self.text, pn.Row(self.look, self.spinner, self.busy, self.cancel, margin=(0, 4)),
            self.drop, self.formats, self.notice, self._results, sizing_mode="stretch_width",
        )  # fmt: skip
        self._layout = pn.Column(self._list, self._opened_card, sizing_mode="stretch_width")
        place = ["bundle_name", "space_name", "projection_name"]
        state.param.watch(self._place_again, place)
        if pn.state.curdoc is not None and pn.state.curdoc.session_context is not None:
            pn.state.on_session_destroyed(lambda _: self.close())

    def _make_inputs(self) -> None:
        public = self.state.public
        most = limits.most_ids(public=public)
        self.text = pn.widgets.TextAreaInput(
            name="My sources: paste ids, known ones light up", rows=3, stylesheets=LOOK,
            placeholder="4295806720, Gaia DR3 38655544960 ... any separators",
            max_length=most * limits.LONGEST_ENTRY, sizing_mode="stretch_width",
            margin=(8, 8, 2, 8),
        )  # fmt: skip
        self.look = button("Light up", on_click=lambda _: self._paste())
        self.spinner = pn.indicators.LoadingSpinner(
            value=True, size=18, visible=False, margin=(8, 4)
        )
        self.busy = html_pane(visible=False, sizing_mode=None, margin=(8, 4))
        self.cancel = button("Cancel", visible=False, on_click=lambda _: self._cancelled())
        self.drop = DropZone(
            self._received, self._refuse, visible=not public, sizing_mode="stretch_width",
            margin=(6, 8, 2, 8),
        )  # fmt: skip
        self.formats = html_pane(sentence(NO_FILES if public else FORMATS))

    def _make_results(self) -> None:
        self.total, self.refused = html_pane(margin=(6, 8, 0, 8)), html_pane()
        # no tooltip: it would lie over the buttons beside it
        self.select = button("Select known", on_click=lambda _: self._select())
        self.csv = download("CSV", self._written(own_csv))
        self.votable = download("VOTable", self._written(own_votable))
        self.clear = button("Clear mine", on_click=lambda _: self._clear())
        self.refused_file = download("Refused rows", self._refused_rows)
        self.list = member_table(height=240, sortable=False)
        self.list.on_click(self._clicked)
        self.listed_note = html_pane(margin=(6, 8, 0, 8))
        self._items: list[int] = []
        self._results = pn.Column(
            self.total,
            pn.Row(self.select, self.csv, self.votable, self.clear, margin=(0, 4)),
            self.listed_note, self.list, self.refused, self.refused_file,
            sizing_mode="stretch_width", visible=False,
        )  # fmt: skip

    def __panel__(self) -> pn.viewable.Viewable:
        """Return inputs and list."""
        self.refresh()
        return self._layout

    # What the visitor brings

    def _paste(self) -> None:
        self.guard(self._read_ids)

    def _read_ids(self) -> None:
        public = self.state.public
        text = limits.id_list(self.text.value or "", public=public)
        if not text.strip():
            self.say("Paste source ids into the box first.")
            return
        release = self.state.bundle.folder.manifest.release
        read = partial(brought_ids, text, limits.most_ids(public=public), release)
        self._start("looking up ...", lambda _: read(), None)

    def _received(self, scratch: Scratch, files: Sequence[Path], names: Sequence[str]) -> None:
        if self.state.public:
            scratch.cleanup()
            self._refuse(NO_FILES)
            return
        from latent_core.surveys.apart import Bounds, bring_apart

        folder = Path(scratch.name) / "read"
        folder.mkdir()
        release = release_of(self.state.bundle.folder)
        bounds = Bounds(sources=limits.MOST_WITH_DATA)

        def read(stopped: Callable[[], bool]) -> Brought:
            return bring_apart(
                files, names, folder, release=release, most=limits.MOST_IDS, bounds=bounds,
                stopped=stopped,
            )  # fmt: skip

        self._start(f"reading and placing {', '.join(names)[:60]} ...", read, scratch)

    def _start(
        self,
        text: str,
        read: Callable[[Callable[[], bool]], Brought],
        scratch: Scratch | None,
    ) -> None:
        space, projection = self.state.space, self.state.projection_name
        self._map = self._open_map()
        self._drop_coming()
        self._coming = scratch
        self.say("")
        self._show_busy(text)
        self.work.start(lambda stopped: place_mine(space, read(stopped), projection))

    def _place_again(self, *_: Any) -> None:
        """Another map: the same sources, encoded and placed anew; what runs is told when done."""
        brought = self._brought
        if brought is not None and not self.work.running:
            self._start("placing on this map ...", lambda _: brought, None)

    def _finished(self, future: Future[Any]) -> None:
        self._show_busy("")
        error = future.exception()
        if error is None:
            self._keep(future.result())
            return
        self._drop_coming()
        if not isinstance(error, LatentError):
            self.say(FAULT, alert=True)
            raise error
        self.say(str(error), alert=True)

    def _keep(self, mine: Mine) -> None:
        self._take_over(mine.brought)
        if self._map == self._open_map():
            self.state.bring(mine)
        else:
            self._place_again()

    def _open_map(self) -> tuple[str, str, str]:
        state = self.state
        return state.bundle_name, state.space_name, state.projection_name

    def _take_over(self, brought: Brought) -> None:
        """Keep what was brought last, and delete what it replaces."""
        if brought is not self._brought:
            old, self._scratch, self._coming = self._scratch, self._coming, None
            self._brought = brought
            if old is not None:
                old.cleanup()

    def _refuse(self, why: str) -> None:
        self.say(why, alert=True)

    def _show_busy(self, text: str) -> None:
        self.busy.param.update(object=sentence(text) if text else "", visible=bool(text))
        self.spinner.visible = self.cancel.visible = self.drop.busy = bool(text)
        self.look.disabled = bool(text)

    def _cancelled(self) -> None:
        self.work.cancel()
        self._drop_coming()
        self._show_busy("")
        self.say("Cancelled.")

    def _drop_coming(self) -> None:
        if self._coming is not None:
            self._coming.cleanup()
            self._coming = None

    def _clear(self) -> None:
        self.close()
        self._show_busy("")
        self.say("")
        self.text.value = ""
        self.state.bring(None)

    def close(self) -> None:
        """Stop and delete all that the visitor brought."""
        self.work.cancel()
        self.drop.forget()
        self._drop_coming()
        self._brought = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    # What became of it

    def _draw(self) -> None:
        mine, item = self.state.mine, self.state.current_mine
        self._results.visible = mine is not None
        card = mine is not None and 0 <= item < len(mine)
        self._list.visible, self._opened_card.visible = not card, card
        if mine is None:
            return
        if card:
            self.guard(self.card.show, mine, item)
        self.total.object = sentence(summary(mine)) + (KEY if len(mine) else "")
        self.select.disabled = not len(mine.lit)
        for link, suffix in ((self.csv, "csv"), (self.votable, "vot")):
            link.filename = file_name(f"{self.state.bundle_name}-mine", len(mine), suffix)
        self._list_sources(mine)
        self._list_refused(mine.brought.rejected)

    def _list_sources(self, mine: Mine) -> None:
        self._items = list(range(min(LISTED, len(mine))))
        shown = pd.DataFrame({
            "source_id": [str(mine.placed.source_id[i]) for i in self._items],
            "status": [str(mine.status[i]) for i in self._items],
        })  # fmt: skip
        told = [mine.told(i) for i in self._items]
        shown["told"] = ["; ".join(text for _, text in pairs[:2])[:60] for pairs in told]
        plain = {"type": "plaintext"}
        self.list.param.update(
            value=shown,
            titles={"told": "in the file"},
            formatters=dict.fromkeys(shown.columns, plain),
            widths={"source_id": 152, "status": 150, "told": 90},
        )
        few = "" if len(mine) <= LISTED else f"first {LISTED:,} of {len(mine):,}; "
        self.listed_note.object = heading("List", f"{few}click opens the card")

    def _list_refused(self, rejected: pd.DataFrame) -> None:
        self.refused.visible = self.refused_file.visible = bool(len(rejected))
        if not len(rejected):
            return
        self.refused_file.filename = "refused-rows.csv"
        first = rejected.head(REFUSED_SHOWN)
        places = zip(first["file"], first["row"].astype(int), first["reason"], strict=True)
        said = [
            (f"{file}, row {row}" if row else str(file), str(why)) for file, row, why in places
        ]
        more = len(rejected) - len(first)
        note = f"the first {len(first)} of {len(rejected):,}" if more else ""
        self.refused.object = heading(f"{len(rejected):,} refused", note) + "".join(
            sentence(f"{where}: {why}") for where, why in said
        )

    def _refused_rows(self) -> io.BytesIO:
        mine = self.state.mine
        frame = pd.DataFrame() if mine is None else mine.brought.rejected
        return io.BytesIO(frame.to_csv(index=False, lineterminator="\n").encode())

    def _written(self, write: Callable[..., bytes]) -> Callable[[], io.BytesIO]:
        def content() -> io.BytesIO:
            mine = self.state.mine
            frame = pd.DataFrame() if mine is None else mine.frame()
            return io.BytesIO(write(self.state.bundle, frame))

        return content

    def _select(self) -> None:
        if self.state.mine is not None:
            self.state.select(self.state.mine.lit, "new")

    def _clicked(self, event: Any) -> None:
        mine, place = self.state.mine, int(event.row)
        if mine is None or not 0 <= place < len(self._items):
            return
        item = self._items[place]
        if mine.status[item] == KNOWN:
            self._open_neighbor(int(mine.rows[item]))
            return
        self.state.current_mine = item

    def _open_neighbor(self, row: int) -> None:
        self.open_source(row)
        self.state.tab = "Source"

    def _close_card(self) -> None:
        self.state.current_mine = -1
