"""The stage `report`: `report.html`, `report.json` and a card for every trained model.

It is made on request only (`gaia-latent evaluate`), because it takes minutes. It rests on every
other stage of the folder, so it is forgotten as soon as one of them changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from latent_core.bundle import Folder, forget_stages, write_stage
from latent_core.config import SplitSettings
from latent_core.report.cards import card
from latent_core.report.content import Context, Section
from latent_core.report.page import page
from latent_core.report.reconstruction import model_names
from latent_core.report.sections import SECTIONS
from latent_core.stages import Report, made_from, silent
from latent_core.version import __version__

STAGE, HTML, JSON = "report", "report.html", "report.json"
FORMAT = 1


def write_report(
    folder: Folder,
    split: SplitSettings,
    *,
    sections: Sequence[Callable[[Context], Section | None]] = SECTIONS,
    report: Report = silent,
) -> Path:
    """Measure a bundle and write its report; returns the path of the page.

    The same folder gives the same bytes: samples and probes are seeded, no time is written.
    """
    context = Context(folder, split, lambda text: report(STAGE, 0, 0, text))
    found = [section for make in sections if (section := make(context)) is not None]
    figures = {section.key: section.figures for section in found}
    models = figures.get("reconstruction", {}).get("models", {})
    cards = {name: card(folder, name, models.get(name)) for name in model_names(context)}
    head = _head(context)
    with write_stage(folder, STAGE, _record(folder, split)) as writer:
        writer.save_json(JSON, plain(_whole(head, found)))
        writer.save_text(HTML, page(head, found, cards))
        for name, text in cards.items():
            writer.save_text(f"models/{name}/card.md", text)
    return folder.path / HTML


def _head(context: Context) -> dict[str, Any]:
    folder = context.folder
    about = {f.name: folder.json(f"spaces/{f.name}/space.json") for f in context.spaces}
    return {
        "data": folder.name,
        "description": folder.manifest.description,
        "simulated": folder.manifest.simulated,
        "release": folder.manifest.release,
        "sources": len(context.catalog),
        "split": asdict(context.split),
        "code": __version__,
        "inputs": str(_record(folder, context.split)["inputs"]),
        "spaces": [
            {
                "name": space.name,
                "title": about[space.name].get("title") or space.name,
                "sources": len(space.rows),
                "latents": space.x.shape[1],
                "dead": int((~space.live).sum()),
                "dead_names": [
                    name
                    for name, live in zip(
                        about[space.name]["latent_names"], space.live, strict=True
                    )
                    if not live
                ],
            }
            for space in context.spaces
        ],
    }


def _whole(head: Mapping[str, Any], sections: Sequence[Section]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **head,
        "sections": {
            s.key: {"title": s.title, "reading": s.reading, "basis": s.basis, **s.figures}
            for s in sections
        },
    }


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numpy numbers unpacked, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _record(folder: Folder, split: SplitSettings) -> dict[str, Any]:
    """Name all that a report is made from: every file of the folder but its own."""
    others = tuple(sorted({r.stage for r in folder.manifest.files.values()} - {STAGE}))
    return made_from(folder, others, asdict(split))


def has_report(folder: Folder) -> bool:
    """Tell whether a folder carries a report that was made from what it now holds."""
    stage = folder.stage(STAGE)
    return stage is not None and HTML in folder and stage == _record(folder, _split_of(stage))


def _split_of(stage: Mapping[str, Any]) -> SplitSettings:
    return SplitSettings(**stage["settings"])


def forget_stale_report(folder: Folder) -> None:
    """Drop a report whose inputs have changed since it was made."""
    if folder.stage(STAGE) is not None and not has_report(folder):
        forget_stages(folder, {STAGE})
