"""The bundle's report: a link to it, and the route that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from tornado.web import RequestHandler

from dashboard.limits import LimitError, choice
from latent_core import Bundle
from latent_core.bundle import Folder
from latent_core.errors import FolderError
from latent_core.report.stage import HTML, has_report

ROUTE = "report"
# the page carries its style and pictures in itself and runs nothing: nothing else is allowed
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "Content-Type": "text/html; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
NO_REPORT = "gaia-latent evaluate {bundle} makes one"


def report_link(bundle: Bundle, served_as: str) -> str:
    """Return a link to a bundle's report in a new tab, or a word on how to make one, as HTML."""
    if HTML in bundle.folder and has_report(bundle.folder):
        return (
            f'<a href="{ROUTE}/{quote(served_as, safe="")}" target="_blank" rel="noopener" '
            'title="what these latents are good for, measured">Report</a>'
        )
    hint = escape("no report yet: " + NO_REPORT.format(bundle="BUNDLE"), quote=True)
    return f'<span title="{hint}">no report</span>'


class ReportHandler(RequestHandler):
    """Serves the report of a bundle by the name under which it is served; nothing else."""

    def initialize(self, bundles: Mapping[str, Bundle]) -> None:
        """Keep the bundles that may be asked for."""
        self.bundles = bundles

    def set_default_headers(self) -> None:
        """Allow the page nothing but its own style and pictures."""
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def get(self, name: str) -> None:
        """Send the page, or say how to make one; 404 for a name that is not served."""
        try:
            known = choice(name, list(self.bundles), "bundle")
        except LimitError:
            self._say(404, "no such bundle is served here")
            return
        # opened anew: a report may have been written since the server started
        path = self.bundles[known].folder.path
        try:
            folder = Folder.open(path, "bundle")
            if HTML not in folder or not has_report(folder):
                self._say(404, "no report yet: " + NO_REPORT.format(bundle=path.name))
                return
            self.finish(folder.file(HTML).read_bytes())
        except FolderError as error:
            self._say(500, str(error))

    def _say(self, status: int, text: str) -> None:
        self.set_status(status)
        self.finish(f"<!doctype html><title>Report</title><p>{escape(text)}</p>")


def report_routes(bundles: Mapping[str, Bundle]) -> list[tuple[str, Any, dict[str, Any]]]:
    """Return the tornado route of all reports."""
    return [(rf"/{ROUTE}/([^/]{{1,300}})", ReportHandler, {"bundles": bundles})]
