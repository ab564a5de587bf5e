"""The page: one self-contained HTML file; every string of a catalog is escaped by the template."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latent_core.report.content import Section, Table

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_NUMBER = re.compile(
    r"^[-+]?[\d,]+(\.\d+)?(e[-+]\d+)?%?( \(.*\)| \[.*\]| to [\d.]+| / [-+\d.,e]+)?$|^-$"
)
_IDENTIFIER_LENGTH = 15


def page(
    head: Mapping[str, Any],
    sections: Sequence[Section],
    cards: Mapping[str, str],
    *,
    template: str = "page.html.j2",
) -> str:
    """Return the report as HTML; nothing in it asks for anything outside of it."""
    templates = _templates()

    def show(table: Table) -> Markup:
        from markupsafe import Markup

        shown = templates.get_template("table.html.j2").render(
            table=table, numbers=numeric_columns(table)
        )
        return Markup(shown)  # noqa: S704 - the template has escaped every cell

    return templates.get_template(template).render(
        head=head, sections=sections, cards=cards, show=show, address=data_address
    )


def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("latent_core.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


def data_address(svg: str) -> str:
    """Return a drawing as the address of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def numeric_columns(table: Table) -> tuple[bool, ...]:
    """Tell which columns hold numbers, which are set flush right; long identifiers are text."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.header)
    return tuple(
        bool(cells) and all(_NUMBER.match(c) and not _is_identifier(c) for c in cells)
        for cells in columns
    )


def _is_identifier(cell: str) -> bool:
    return cell.isdigit() and len(cell) >= _IDENTIFIER_LENGTH
