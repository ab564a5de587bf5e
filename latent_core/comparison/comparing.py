"""The comparison in one call: `comparison.html` and `comparison.json`, both or neither."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latent_core.bundle import disk_errors
from latent_core.comparison.exchange import Exchange, exchanged
from latent_core.comparison.exchange_sections import exchange_section
from latent_core.comparison.marginals import Marginal, marginals
from latent_core.comparison.samples import Sample, Say, opened
from latent_core.comparison.sections import marginal_sections, wrong_section
from latent_core.comparison.selection import with_selection
from latent_core.comparison.spectra import PairedSpectra, paired_spectra
from latent_core.comparison.spectra_sections import apart_section, coefficient_section
from latent_core.comparison.telling_apart import told_apart
from latent_core.errors import InputError
from latent_core.report.content import Section
from latent_core.report.page import page
from latent_core.report.stage import plain
from latent_core.version import __version__

HTML, JSON, FORMAT = "comparison.html", "comparison.json", 1
TEMPLATE = "comparison.html.j2"


def silent(text: str) -> None:
    """Report nothing."""


def compare(
    first: Path,
    others: Sequence[Path],
    out: Path,
    *,
    exchange: Exchange | None = None,
    overwrite: bool = False,
    say: Say = silent,
) -> Path:
    """Compare a survey with other surveys, bundles or tables; returns the path of the page.

    With `exchange`, models trained on each side are applied to both, which takes minutes. `out`
    is a folder, or the page's own name (`.html`); `comparison.json` lies beside it. The
    same inputs give the same bytes. Raises InputError for inputs that cannot be read, or an `out`
    that exists.
    """
    html, figures = _targets(out, overwrite=overwrite)
    with opened([first, *others], say) as (sample, *against):
        sections = _sections(sample, against, exchange, say)
        head = _head(sample, against)
    _write(html, page(head, sections, {}, template=TEMPLATE))
    _write(figures, json.dumps(plain(_whole(head, sections)), indent=1, sort_keys=True) + "\n")
    return html


def _sections(
    first: Sample, others: Sequence[Sample], exchange: Exchange | None, say: Say
) -> list[Section]:
    found: list[Marginal] = []
    paired: list[PairedSpectra] = []
    apart: dict[str, Any] = {}
    for other in others:
        say(f"marginals of {first.name} beside {other.name}")
        found += marginals(first, other)
        pairs = paired_spectra(first, other)
        if pairs is not None:
            say(f"classifiers of spectra of {first.name} and {other.name}")
            paired.append(pairs)
            apart[other.name] = told_apart(first, other)
    found = with_selection(found, [o.name for o in others if not o.simulated])
    everything = [*found, *(m for p in paired for m in p.marginals)]
    sections = [
        wrong_section(first, everything),
        *marginal_sections(first, others, found),
        coefficient_section(first, paired),
        apart_section(first, apart),
        exchange_section(first, _exchanges(first, others, exchange, say)),
    ]
    return [section for section in sections if section is not None]


def _exchanges(
    first: Sample, others: Sequence[Sample], exchange: Exchange | None, say: Say
) -> dict[str, Any]:
    if exchange is None:
        return {}
    found = {other.name: exchanged(first, other, exchange, say=say) for other in others}
    if not any(found.values()):
        say("nothing is exchanged: no two inputs have observations and labels in common")
    return {name: tasks for name, tasks in found.items() if tasks}


def _targets(out: Path, *, overwrite: bool) -> tuple[Path, Path]:
    html = out if out.suffix == ".html" else out / HTML
    figures = html.with_suffix(".json")
    for file in (html, figures):
        if file.exists() and not overwrite:
            raise InputError(
                "exists already", file=file, remedy="choose another --out or --overwrite"
            )
    return html, figures


def _write(file: Path, text: str) -> None:
    partial = file.with_name(file.name + ".partial")
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)


def _head(first: Sample, others: Sequence[Sample]) -> dict[str, Any]:
    return {
        "data": f"{first.name} beside {_beside(others)}",
        "code": __version__,
        "inputs": [
            {
                "name": s.name,
                "mark": s.mark,
                "simulated": s.simulated,
                "version": s.version,
                "sources": len(s.sources),
                "points": len(s.points),
                "spectra": 0 if s.spectra is None else len(s.spectra.rows),
                "notes": list(s.notes),
            }
            for s in (first, *others)
        ],
    }


def _beside(others: Sequence[Sample]) -> str:
    if len(others) == 1:
        return others[0].name
    marks = {other.mark for other in others}
    return f"{len(others)} inputs of {' and '.join(sorted(marks))} sources"


def _whole(head: dict[str, Any], sections: Sequence[Section]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **head,
        "sections": {
            s.key: {"title": s.title, "reading": s.reading, "basis": s.basis, **s.figures}
            for s in sections
        },
    }
