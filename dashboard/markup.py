"""Facts and sentences as HTML; every text of a catalog passes `safe_text` here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn

from dashboard.limits import safe_text as safe
from dashboard.theme import class_title
from latent_core.catalog import Column

STYLE = """
:host { font: 12.5px/1.45 system-ui, sans-serif; color: inherit; }
p { margin: 2px 0; }
h3 { font-size: 12.5px; font-weight: 600; margin: 0; }
h3 small { font-weight: 400; opacity: .78; margin-left: 6px; font-size: 12px; }
.id { font-size: 14px; font-weight: 600; font-variant-numeric: tabular-nums; }
.faint { opacity: .78; }
.badge { background: #9A3412; color: #fff; font-size: 11px; font-weight: 600; padding: 1px 6px;
  border-radius: 3px; margin-left: 8px; letter-spacing: .04em; vertical-align: 1px; }
p > .badge:first-child { margin: 0 6px 0 0; }
.facts { display: grid; grid-template-columns: auto 1fr auto 1fr; gap: 1px 10px; margin: 0; }
.facts dt { opacity: .78; white-space: nowrap; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
summary { cursor: pointer; opacity: .85; padding: 3px 0; }
a { color: inherit; text-decoration: underline; text-underline-offset: 2px; margin-right: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 500; opacity: .78; padding: 1px 4px; }
td { text-align: right; padding: 1px 4px; border-top: 1px solid rgba(128, 138, 150, .25); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.bar { display: inline-block; height: 8px; background: #5B7DB1; vertical-align: middle; }
.key { display: inline-block; margin-right: 10px; }
.alert { border-left: 3px solid #C2410C; padding: 2px 8px; }
"""


def html_pane(content: str = "", **options: Any) -> pn.pane.HTML:
    """Return a pane for markup made by this module, in its style."""
    options.setdefault("sizing_mode", "stretch_width")
    options.setdefault("margin", (2, 8))
    return pn.pane.HTML(content, stylesheets=[STYLE], **options)


def sentence(text: str, *, alert: bool = False) -> str:
    """Return one paragraph of plain text."""
    return f'<p class="{"alert" if alert else "faint"}">{safe(text)}</p>'


def heading(title: str, note: str = "") -> str:
    """Return a small heading with a fainter note beside it."""
    return f"<h3>{safe(title)}<small>{safe(note)}</small></h3>"


def is_missing(value: object) -> bool:
    """Whether a cell is empty: None, NaN, NaT or NA."""
    return value is None or value != value or str(value) in ("<NA>", "NaT", "")


def number(value: float, digits: int = 5) -> str:
    """Write a number in few digits, without an exponent where that stays readable."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{max(digits - 2, 1)}e}"


def with_error(value: float, error: float) -> str:
    """Write value ± error, both to two digits of the error."""
    if not (math.isfinite(error) and error > 0 and math.isfinite(value)):
        return number(value)
    decimals = min(max(0, 1 - math.floor(math.log10(error))), 8)
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f}"


_EXACT = {"ra": 9, "dec": 9, "period_d": 8, "frequency": 8}


def cell(value: Any, column: Column, error: Any = None) -> str:
    """Write one catalog value with its error and unit, as plain text."""
    if is_missing(value):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}" if column.kind == "number" else str(int(value))
    if not isinstance(value, float | np.floating):
        return str(value)
    known = error is not None and not is_missing(error)
    digits = _EXACT.get(column.name, 5)
    text = with_error(float(value), float(error)) if known else number(float(value), digits)
    plain = not column.unit or column.unit.startswith("log10(")
    return text if plain else f"{text} {column.unit}"


def fact(row: Mapping[str, Any], column: Column) -> str:
    """Write one column of a catalog row, with its error where there is one, as plain text."""
    text = cell(row[column.name], column, row.get(f"{column.name}_err"))
    return class_title(text) if column.kind == "category" else text


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return label and value pairs in two columns."""
    rows = "".join(f"<dt>{safe(label)}</dt><dd>{safe(value)}</dd>" for label, value in pairs)
    return f'<dl class="facts">{rows}</dl>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a small table of plain texts; the first column is aligned left."""
    head = "".join(f"<th>{safe(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{safe(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def folded_away(summary: str, content: str) -> str:
    """Return content that opens on a click."""
    return f"<details><summary>{safe(summary)}</summary>{content}</details>"


def badge(text: str) -> str:
    """Return a small mark that cannot be overlooked."""
    return f'<span class="badge">{safe(text)}</span>'


def links(targets: Iterable[tuple[str, str]]) -> str:
    """Return links that open elsewhere; nothing is asked for before the click."""
    return "".join(
        f'<a href="{safe(url)}" target="_blank" rel="noopener noreferrer">{safe(name)}</a>'
        for name, url in targets
    )
