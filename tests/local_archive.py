"""A Gaia archive on 127.0.0.1: TAP and DataLink over simulated stars, with failures on demand.

`with local_archive() as archive:` serves at `archive.url`; `gaia-latent fetch --archive URL`
takes it for the real one. By hand: `python tests/local_archive.py [SOURCES]` prints the address
and serves until it is stopped. The stars are simulated; no row was ever observed.
"""

from __future__ import annotations

import email
import gzip
import io
import sys
import threading
import zipfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from local_catalog import LocalCatalog, Refused, catalog_of, ids_of_upload, votable

JOB = """<?xml version="1.0" encoding="UTF-8"?>
<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
 version="1.1"><uws:jobId>{number}</uws:jobId><uws:phase>{phase}</uws:phase>
<uws:quote></uws:quote><uws:executionDuration>0</uws:executionDuration>
<uws:destruction></uws:destruction><uws:parameters/>
<uws:results>{results}</uws:results>{error}</uws:job>"""
RESULT = '<uws:result id="result" xlink:href="{url}/tap-server/tap/async/{n}/results/result"/>'
ERROR = (
    '<uws:errorSummary type="fatal" hasDetail="false">'
    "<uws:message>{}</uws:message></uws:errorSummary>"
)
PAGE = b"<!DOCTYPE html><html><body>The archive is under maintenance</body></html>"
PASSWORD = "a-secret-of-the-test"


class LocalArchive:
    """What is served, what was asked, and the failures still to come."""

    def __init__(self, catalog: LocalCatalog) -> None:
        self.catalog = catalog
        self.url = ""
        self.faults: dict[str, deque[str]] = {"submit": deque(), "result": deque()}
        self.faults |= {"job": deque(), "data": deque()}
        self.withheld: set[int] = set()  # ids that DataLink never sends
        self.row_limit = 3_000_000
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.order = np.random.default_rng(0)  # rows come in another order every time
        self.lock = threading.Lock()
        self.closing = threading.Event()  # ends the requests that are left without an answer

    def fail(self, route: str, *faults: str) -> None:
        """Let the next requests of a route (submit, job, result, data) fail, one fault each."""
        self.faults[route].extend(faults)

    def count(self, route: str) -> int:
        """Return how many requests of a route came."""
        return sum(1 for name, _ in self.asked if name == route)

    def run(self, job: dict[str, Any]) -> None:
        """Run a job at once; it says EXECUTING once before it says how it ended."""
        try:
            limit = int(job["form"].get("MAXREC", self.row_limit))
            table, whole = self.catalog.query(
                job["form"]["QUERY"], job["ids"], min(limit, self.row_limit)
            )
            table = table[self.order.permutation(len(table))]
            job["result"] = votable(table, "OK" if whole else "OVERFLOW")
            job["end"] = "COMPLETED"
        except Refused as error:
            job["end"], job["error"] = "ERROR", str(error)

    def data(self, form: dict[str, str], *, short: bool) -> bytes:
        """Return the zip that DataLink sends for one product."""
        ids = [int(part) for part in form["ID"].split(",")]
        held = [n for n in ids if n not in self.withheld]
        if short:
            held = held[: len(held) - max(1, len(held) // 20)]
        held = [held[k] for k in self.order.permutation(len(held))]
        table = self.catalog.product(form["RETRIEVAL_TYPE"], held)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            if table is not None:
                archive.writestr(f"{form['RETRIEVAL_TYPE']}_RAW.xml", votable(table, "OK"))
        return packed.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize, disable_nagle_algorithm = 1 << 20, True  # one packet an answer, not three
    archive: LocalArchive

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer({})

    def do_DELETE(self) -> None:
        self.archive.asked.append(("forget", {}))
        self._send(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/"):
            form = _multipart(kind, body)
        else:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        self._answer(form)

    def _answer(self, form: dict[str, Any]) -> None:
        path = urlsplit(self.path).path
        route = self._route(path)
        with self.archive.lock:
            self.archive.asked.append((route, {k: v for k, v in form.items() if k != "ids"}))
            waiting = self.archive.faults.get(route)
            fault = waiting.popleft() if waiting else ""
        if fault and fault != "short answer":
            return self._fail(fault, path, form)
        with self.archive.lock:
            status, content, headers = self._content(route, path, form, fault)
        self._send(status, content, headers)

    def _route(self, path: str) -> str:
        if path.endswith("/login"):
            return "login"
        if path.endswith("/data"):
            return "data"
        if path.endswith("/async"):
            return "submit"
        return "result" if path.endswith("/results/result") else "job"

    def _content(
        self, route: str, path: str, form: dict[str, Any], fault: str = ""
    ) -> tuple[int, bytes, dict[str, str]]:
        archive = self.archive
        if route == "login":
            ok = form.get("password") == PASSWORD
            return 200, b"", {"Set-Cookie": f"JSESSIONID=1; Path={path[:11]}"} if ok else {}
        if route == "data":
            if form["ID"].count(",") >= 5000:
                return 400, b"more than 5000 ids", {}
            return 200, archive.data(form, short=bool(fault)), {}
        if route == "submit":
            return self._submit(form)
        number = path.split("/async/")[1].split("/")[0]
        job = archive.jobs.get(number)
        if job is None:
            return 404, b"no such job", {}
        if route == "result":
            return 200, job["result"], {}
        if path.endswith("/phase"):
            archive.run(job)
            return 303, b"", {"Location": f"{archive.url}/tap-server/tap/async/{number}"}
        return 200, self._document(number, job), {}

    def _submit(self, form: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        number = str(len(self.archive.jobs) + 1)
        ids = ids_of_upload(form["ids"]) if "ids" in form else None
        self.archive.jobs[number] = {"form": form, "ids": ids, "polls": 0}
        return 303, b"", {"Location": f"{self.archive.url}/tap-server/tap/async/{number}"}

    def _document(self, number: str, job: dict[str, Any]) -> bytes:
        phase = job.get("end", "PENDING")
        job["polls"] += "end" in job
        if job["polls"] == 1:
            phase = "EXECUTING"
        done = phase == "COMPLETED"
        results = RESULT.format(url=self.archive.url, n=number) if done else ""
        error = ERROR.format(job["error"]) if phase == "ERROR" else ""
        return JOB.format(number=number, phase=phase, results=results, error=error).encode()

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _fail(self, fault: str, path: str, form: dict[str, Any]) -> None:
        kind, _, value = fault.partition(" ")
        if kind.isdigit():
            return self._send(int(kind), b"null", {"Retry-After": value} if value else {})
        if fault == "web page":
            return self._send(200, PAGE, {"Content-Type": "text/html"})
        with self.archive.lock:
            _, content, _ = self._content(self._route(path), path, form)
        if fault == "cut gzip":
            return self._send(200, gzip.compress(content)[:-20])
        if fault == "cut encoding":
            packed = gzip.compress(content)[:-200]
            return self._send(200, packed, {"Content-Encoding": "gzip"})
        if fault == "damaged":
            return self._send(200, content[: len(content) // 2])
        if fault == "time-out":
            self.archive.closing.wait(60)
        else:
            assert fault == "cut connection", fault
            content = content or b"nothing"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        self.close_connection = True
        return None


def _multipart(kind: str, body: bytes) -> dict[str, Any]:
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    form: dict[str, Any] = {}
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        form[name] = content if name == "ids" else content.decode()
    return form


@contextmanager
def local_archive(sources: int = 60, seed: int = 1) -> Iterator[LocalArchive]:
    """Serve an archive of `sources` simulated stars on a free port of 127.0.0.1."""
    archive = LocalArchive(catalog_of(sources, seed))
    handler = type("Handler", (_Handler,), {"archive": archive})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield archive
    finally:
        archive.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    with local_archive(int(sys.argv[1]) if len(sys.argv) > 1 else 60) as _archive:
        sys.stdout.write(f"{_archive.url}\n")
        sys.stdout.flush()
        threading.Event().wait()
