"""The card of the current source: who it is, what was measured, what its latents decode to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import panel as pn

from dashboard.cards import DEAD_LATENT, DECODED, Drawn, ModalityCard, block_names, modality_title
from dashboard.controls import button
from dashboard.lazy import LazyView
from dashboard.light_curve import PHOTOMETRY, LightCurveCard
from dashboard.limits import safe_text as safe
from dashboard.markup import (
    badge,
    fact,
    facts,
    folded_away,
    html_pane,
    is_missing,
    links,
    sentence,
    with_error,
)
from dashboard.state import ExplorerState
from latent_core import LatentSpace
from latent_core.catalog import SOURCE_ID, Column
from latent_core.crossmodal import predict_block, predicted_curves
from latent_core.surveys.spurious import SENTENCE, SPURIOUS

FIRST = (
    "macro_class",
    "best_class_name",
    "class_label",
    "label",
    "best_class_score",
    "phot_g_mean_mag",
    "magnitude_mean",
    "bp_rp",
    "period_d",
    "frequency",
    "amplitude",
    "teff",
    "logg",
    "fe_h",
    "m_h",
    "alpha_m",
)
_COPY = """
const text = box.value
if (navigator.clipboard) { navigator.clipboard.writeText(text) } else {
  const area = document.createElement('textarea')
  area.value = text; document.body.appendChild(area); area.select()
  document.execCommand('copy'); area.remove()
}
"""
_MISSING = {
    "xp_coefficients": "no XP spectrum for this source",
    "xp_samples": "no XP spectrum for this source",
    "folded": "no epoch photometry for this source",
    "dmdt": "no epoch photometry for this source",
    "cycle": "no epoch photometry for this source",
}
OUTSIDE = "outside the training data:"
NO_MODEL = "This bundle holds imported latents and no model: nothing can be decoded."


def missing_sentence(modality: str) -> str:
    """Name the modality that a source lacks."""
    return _MISSING.get(modality, f"no {modality_title(modality)} for this source")


def split_columns(
    names: Sequence[str], class_column: str | None = None
) -> tuple[list[str], list[str]]:
    """Return the columns to show first and all others; errors ride with their values."""
    known = set(names)
    shown = [n for n in names if n != SOURCE_ID and not _is_error_of_another(n, known)]
    wanted = dict.fromkeys((class_column, *FIRST))
    first = [name for name in wanted if name in known]
    return first, [name for name in shown if name not in first]


def _is_error_of_another(name: str, known: set[str]) -> bool:
    return name.endswith("_err") and name.removesuffix("_err") in known


def fact_pairs(row: Mapping[str, Any], columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """Yield label and value of each column, with its error where the catalog has one."""
    for column in columns:
        yield column.label or column.name, fact(row, column)


def latent_pairs(space: LatentSpace, row: int) -> list[tuple[str, str]]:
    """Return name and value of each latent of a row, with its whole sigma; [] without sigmas.

    The sigma is the encoder's and the star's own noise in quadrature. A dead latent says so.
    """
    sigmas = space.total_sigmas(row)
    if sigmas is None or not np.isfinite(space.latents[row]).any():
        return []
    values = zip(space.latent_names, space.latents[row], sigmas, strict=True)
    return [
        (name, DEAD_LATENT if name in space.dead else with_error(float(z), float(sigma)))
        for name, z, sigma in values
    ]


def outside_links(source_id: int, ra: float | None, dec: float | None) -> list[tuple[str, str]]:
    """Return name and address of this source elsewhere, by id and, where known, by position."""
    query = f"select * from gaiadr3.gaia_source where source_id = {source_id}"  # noqa: S608 an int
    targets = [
        (
            "Gaia archive",
            "https://gea.esac.esa.int/tap-server/tap/sync?REQUEST=doQuery&LANG=ADQL"
            f"&FORMAT=json&QUERY={quote(query)}",
        ),
        (
            "SIMBAD",
            f"https://simbad.cds.unistra.fr/simbad/sim-id?Ident=Gaia+DR3+{source_id}",
        ),
    ]
    if ra is None or dec is None:
        return targets
    place = quote(f"{ra:.7f} {dec:+.7f}")
    return [
        *targets,
        ("ESASky", f"https://sky.esa.int/esasky/?target={place}&cooframe=J2000&fov=0.05"),
        ("Aladin", f"https://aladin.cds.unistra.fr/AladinLite/?target={place}&fov=0.05"),
    ]


def _position(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    ra, dec = row.get("ra"), row.get("dec")
    if is_missing(ra) or is_missing(dec):
        return None, None
    return float(ra or 0), float(dec or 0)


class SourceView(LazyView):
    """Facts, observed and decoded curves of `state.current_row`."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__(state, ("bundle_name", "space_name", "current_row"))
        self._id_text = pn.widgets.TextInput(value="", visible=False)
        self.copy = button("Copy", description="copy the source_id")
        self.copy.js_on_click(args={"box": self._id_text}, code=_COPY)
        self.head = html_pane(sizing_mode=None, margin=(6, 8, 2, 8))
        self.outside = html_pane()
        self.facts = html_pane()
        self.no_model = html_pane(sentence(NO_MODEL), visible=False)
        self.cards: dict[str, ModalityCard | LightCurveCard] = {}
        self._cards_of = ""
        self._plots = pn.Column(sizing_mode="stretch_width")
        self._body = pn.Column(
            pn.Row(self.head, self.copy, self._id_text),
            self.outside,
            self.facts,
            self.no_model,
            self._plots,
            visible=False,
        )
        self._layout = pn.Column(self.notice, self._body, sizing_mode="stretch_width")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the card."""
        self.refresh()
        return self._layout

    def _draw(self) -> None:
        row = self.state.current_row
        self._body.visible = 0 <= row < self.state.size
        if not self._body.visible:
            self.say("Click a source on the map, or search for an id (/), to open its card.")
            return
        self.say("")
        self._draw_facts(row)
        self._make_cards()
        for name, card in self.cards.items():
            self.guard(self._draw_card, name, card, row)
        self.no_model.visible = not self.state.bundle.model_names

    def _draw_facts(self, row: int) -> None:
        bundle = self.state.bundle
        record = self.record(row)
        source_id = int(bundle.folder.catalog.source_id[row])
        self._id_text.value = str(source_id)
        name = "source" if bundle.simulated else "Gaia DR3"
        mark = badge("SIMULATED") if bundle.simulated else ""
        self.head.object = f'<span class="id">{safe(name)} {source_id}</span>{mark}'
        self.outside.object = "".join(
            f"<p>{badge(OUTSIDE)} {safe(modality_title(model))}: {safe(why)}</p>"
            for model, why in bundle.outside_reasons(row).items()
        )
        first, others = split_columns(
            [str(n) for n in self.state.frame.columns], self.class_column
        )
        describe = bundle.column
        parts = [facts(fact_pairs(record, [describe(n) for n in first]))]
        if uncertain := latent_pairs(self.state.space, row):
            parts.append(folded_away(f"{len(uncertain)} latents ± their sigma", facts(uncertain)))
        if others:
            more = facts(fact_pairs(record, [describe(n) for n in others]))
            parts.append(folded_away(f"{len(others)} more columns", more))
        spurious = record.get(SPURIOUS)
        if not is_missing(spurious) and spurious:
            parts.append(sentence(SENTENCE))
        known = self.state.space.known_blocks(self.state.space.latents[row])
        if known and len(known) < len(self.state.space.blocks):
            parts.append(sentence(f"Placed on the map by {block_names(known)} alone."))
        if not bundle.simulated:
            parts.append(f"<p>{links(outside_links(source_id, *_position(record)))}</p>")
        self.facts.object = "".join(parts)

    def _make_cards(self) -> None:
        """Build plots once a bundle; a new source only replaces their data."""
        bundle = self.state.bundle
        if self._cards_of == self.state.bundle_name:
            return
        self._cards_of = self.state.bundle_name
        names = list(bundle.model_names)
        if PHOTOMETRY in bundle.products and "folded" not in names:
            names.append("folded")
        self.cards = {name: self._card(name) for name in names}
        self._plots.objects = list(self.cards.values())

    def _card(self, name: str) -> ModalityCard | LightCurveCard:
        simulated = self.state.bundle.simulated
        if name == "folded":
            return LightCurveCard(self.state.bundle, simulated=simulated)
        return ModalityCard(modality_title(name), simulated=simulated)

    def _draw_card(self, name: str, card: ModalityCard | LightCurveCard, row: int) -> None:
        bundle = self.state.bundle
        observed = bundle.observed(row, name)
        decoded = bundle.reconstructed(row, name)
        predicted, made = ((), DECODED) if decoded else self._predicted(name, row)
        if isinstance(card, LightCurveCard):
            card.show_row(row, predicted, made)
        elif predicted:
            card.show((), predicted, compare=False, made=made)
        else:
            card.show(observed, decoded, message=missing_sentence(name))

    def _predicted(self, name: str, row: int) -> tuple[Drawn, str]:
        """Return what the blocks that a source has say of a modality that it lacks."""
        space = self.state.space
        blocks = [block for block, model in space.models.items() if model == name]
        known = space.known_blocks(space.latents[row])
        if not blocks or not known or blocks[0] in known:
            return (), DECODED
        predicted = predict_block(space, space.latents[row], blocks[0])
        made = f"predicted from {block_names(predicted.known)}, {len(predicted.rows)} nearest,"
        return predicted_curves(space, predicted), made
