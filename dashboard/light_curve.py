"""The folded light curve of a source with its period tools; raw photometry is folded live."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn

from dashboard.cards import DECODED, Drawn, ModalityCard, modality_title
from dashboard.controls import button, number_box, slider
from dashboard.folding import fold, phase_offset
from dashboard.markup import html_pane, is_missing, number, sentence
from latent_core import Bundle
from latent_core.modalities import Curve
from latent_core.products import EpochPhotometry, LightCurve, item_of_row

PHOTOMETRY = "epoch_photometry"
SHORTEST_PERIOD_D, LONGEST_PERIOD_D = 1e-4, 1e5


def catalog_period(row: Mapping[str, Any]) -> float:
    """Return the catalog's period in d, NaN where it has none."""
    period, frequency = row.get("period_d"), row.get("frequency")
    if not is_missing(period):
        return float(period or np.nan)
    if not is_missing(frequency) and float(frequency or 0) > 0:
        return 1 / float(frequency or 1)
    return float("nan")


def read_period(text: str) -> float | None:
    """Read a period in d as typed; None where it is no number between the bounds."""
    try:
        period = float(text)
    except ValueError:
        return None
    return period if SHORTEST_PERIOD_D <= period <= LONGEST_PERIOD_D else None


def folded_curve(raw: LightCurve, period: float, zero: float) -> Curve:
    """Fold raw points; `zero` is the phase that moves to 0."""
    return Curve(
        "G",
        fold(raw.time, 1 / period, zero),
        np.asarray(raw.mag),
        np.asarray(raw.mag_error),
        x_label="phase",
        y_label="G",
        y_unit="mag",
        y_inverted=True,
    )


def raw_curve(raw: LightCurve) -> Curve:
    """Return raw points over time."""
    return Curve(
        "raw G",
        np.asarray(raw.time),
        np.asarray(raw.mag),
        np.asarray(raw.mag_error),
        x_label="time since the first epoch of the archive",
        x_unit="d",
        y_label="G",
        y_unit="mag",
        y_inverted=True,
    )


def shifted(curve: Curve, zero: float) -> Curve:
    """Move the zero of a phased curve."""
    return replace(curve, x=np.mod(curve.x - zero, 1.0))


class LightCurveCard(pn.viewable.Viewer):
    """Observed and decoded light curve of one source, with a period that can be changed."""

    def __init__(self, bundle: Bundle, *, simulated: bool = False) -> None:
        super().__init__()
        self.bundle = bundle
        self.card = ModalityCard(modality_title("folded"), simulated=simulated)
        self._raw: LightCurve | None = None
        self._stored_period = math.nan
        self._observed: list[Curve] = []
        self._decoded: list[Curve] = []
        self._made = DECODED
        self._note = html_pane()
        self._make_tools()
        self._layout = pn.Column(
            self.card,
            pn.Row(
                *(
                    html_pane("period [d]", sizing_mode=None, margin=(8, 2, 0, 4)),
                    self.period,
                    self.double,
                    self.halve,
                    self.reset,
                    self.mode,
                ),
                margin=(0, 4),
            ),
            self.zero,
            self._note,
        )

    def _make_tools(self) -> None:
        self.period = number_box("", placeholder="period", width=100)
        self.double = button("×2", on_click=lambda _: self._scale(2.0))
        self.halve = button("÷2", on_click=lambda _: self._scale(0.5))
        self.reset = button("Reset", on_click=lambda _: self._forget())
        self.zero = slider("zero phase", 0.0, 1.0, 0.0, step=0.01, width=380, margin=(0, 8))
        self.mode = button("Raw", on_click=lambda _: self._turn())
        self.raw = False
        self.period.param.watch(self._redraw, "value")
        self.zero.param.watch(self._redraw, "value")

    def _turn(self) -> None:
        """Change between the folded and the raw light curve."""
        self.raw = not self.raw
        self.mode.name = "Folded" if self.raw else "Raw"
        self._redraw()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return plot and tools."""
        return self._layout

    def show_row(self, row: int, predicted: Drawn = (), made: str = DECODED) -> None:
        """Show another source; its period starts at the catalog's.

        Where the source has no light curve, `predicted` is drawn, and `made` says whence.
        """
        self._stored_period = catalog_period(self._record(row))
        self._raw = self._photometry(row)
        has_model = "folded" in self.bundle.model_names
        curves = self.bundle.observed(row, "folded") if has_model else ()
        decoded = self.bundle.reconstructed(row, "folded") if has_model else ()
        self._observed = [c for c in curves if isinstance(c, Curve)]
        self._decoded = [c for c in decoded or predicted if isinstance(c, Curve)]
        self._made = made
        self._offset = self._aligned_zero()
        self._forget()

    def _record(self, row: int) -> dict[str, Any]:
        frame = self.bundle.catalog
        return {n: frame[n].iloc[row] for n in ("period_d", "frequency") if n in frame}

    def _photometry(self, row: int) -> LightCurve | None:
        product = self.bundle.products.get(PHOTOMETRY)
        if not isinstance(product, EpochPhotometry):
            return None
        item = item_of_row(product.rows, row)
        curve = None if item is None else product.light_curve(item)
        return curve if curve is not None and len(curve) else None

    def _aligned_zero(self) -> float:
        """Find the phase at which the modality's own fold starts, so that ours starts there."""
        if self._raw is None or not self._observed or not math.isfinite(self._stored_period):
            return 0.0
        stored = self._observed[0]
        phase = fold(self._raw.time, 1 / self._stored_period)
        return phase_offset(phase, self._raw.mag, stored.x, stored.y)

    def _forget(self) -> None:
        """Return to the catalog's period and zero phase."""
        known = math.isfinite(self._stored_period)
        self.zero.value = 0.0
        self.period.value = f"{self._stored_period:.9g}" if known else ""
        self._redraw()

    def _scale(self, factor: float) -> None:
        period = read_period(self.period.value)
        if period is not None and read_period(str(period * factor)) is not None:
            self.period.value = f"{period * factor:.9g}"

    def _redraw(self, *_: Any) -> None:
        for tool in (self.period, self.double, self.halve, self.reset, self.zero, self.mode):
            tool.disabled = self._raw is None
        if self.raw and self._raw is not None:
            self._note.object = ""
            self.card.show([raw_curve(self._raw)], [])
            return
        self._redraw_folded()

    def _redraw_folded(self) -> None:
        missing = "no epoch photometry for this source"
        zero = min(max(float(self.zero.value or 0), 0.0), 1.0)
        period = read_period(self.period.value or "")
        stored = self._stored_period
        own = (
            period is not None
            and math.isfinite(stored)
            and math.isclose(period, stored, rel_tol=1e-7)
        )
        if own or self._raw is None:
            self._note.object = ""
            observed = self._observed or self._refolded(period, zero)
            if self._observed:
                observed = [shifted(c, zero) for c in self._observed]
            shown = [shifted(c, zero) for c in self._decoded]
            own = self._made == DECODED
            self.card.show(observed, shown, message=missing, compare=own, made=self._made)
            return
        decoded = bool(self._decoded) and self._made == DECODED
        self._note.object = sentence(period_note(period, stored, decoded))
        self.card.show(self._refolded(period, zero), [], message="type a period in days")

    def _refolded(self, period: float | None, zero: float) -> list[Curve]:
        if period is None or self._raw is None:
            return []
        return [folded_curve(self._raw, period, self._offset + zero)]


def period_note(period: float | None, stored: float, decoded: bool) -> str:
    """Say what a period other than the catalog's means for the picture."""
    if period is None:
        return f"Type a period between {SHORTEST_PERIOD_D:g} and {LONGEST_PERIOD_D:g} d."
    if not math.isfinite(stored):
        return "The catalog has no period for this source; the photometry is folded with yours."
    text = f"The stored latents used P = {number(stored, 8)} d"
    return text + (": the decoded curve is not drawn at another period." if decoded else ".")
