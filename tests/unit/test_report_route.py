"""The route of the report: strict headers, known names only, files that were verified."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_bundle import fake_bundle
from report_bundle import write_report_bundle
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from dashboard.reports import report_link, report_routes
from latent_core import Bundle
from latent_core.bundle import Folder
from latent_core.config import SplitSettings
from latent_core.report.stage import HTML, write_report

NAME = "stars & <b>"


@pytest.fixture
def bundle(tmp_path) -> Path:
    out = write_report_bundle(tmp_path / "small.bundle", models=False)
    write_report(Folder.open(out), SplitSettings(), sections=())
    return out


def ask(path: Path, address: str) -> HTTPResponse:
    async def fetch() -> HTTPResponse:
        socket, port = bind_unused_port()
        server = HTTPServer(Application(report_routes({NAME: Bundle.open(path)})))
        server.add_socket(socket)
        try:
            url = f"http://127.0.0.1:{port}/{address}"
            return await AsyncHTTPClient().fetch(url, raise_error=False)
        finally:
            server.stop()

    # a thread of its own: a browser test before this one leaves its loop in the main thread
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, fetch()).result()


def test_the_report_is_sent_with_headers_that_allow_nothing_else(bundle):
    link = report_link(Bundle.open(bundle), NAME)
    address = link.split('href="')[1].split('"')[0]
    assert 'target="_blank"' in link
    assert "<b>" not in link
    answer = ask(bundle, address)
    assert answer.code == 200
    assert answer.body == (bundle / HTML).read_bytes()
    allowed = answer.headers["Content-Security-Policy"]
    assert allowed == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["other", "..%2F..%2Fmanifest.json", "%00", "x" * 290])
def test_a_name_that_is_not_served_is_refused(bundle, name):
    answer = ask(bundle, f"report/{name}")
    assert answer.code == 404
    assert name.encode() not in answer.body


def test_a_forged_page_is_not_sent(bundle):
    (bundle / HTML).write_text("<p>all is well</p>", encoding="utf-8")
    answer = ask(bundle, "report/stars%20%26%20%3Cb%3E")
    assert answer.code == 500
    assert b"all is well" not in answer.body


def test_without_a_report_the_place_says_how_to_make_one(tmp_path):
    out = write_report_bundle(tmp_path / "small.bundle", models=False)
    answer = ask(out, "report/stars%20%26%20%3Cb%3E")
    assert answer.code == 404
    assert b"gaia-latent evaluate small.bundle" in answer.body
    assert "gaia-latent evaluate" in report_link(Bundle.open(out), NAME)
    assert "gaia-latent evaluate" in report_link(fake_bundle(), NAME)
