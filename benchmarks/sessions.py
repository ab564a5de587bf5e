"""Serve a bundle in a process of its own, look at it with Chromium, and weigh the server.

Resident memory counts a file's map in every process that has it; what a further session costs is
read from private memory as well, which is the server's own. Both come from smaps_rollup, in MB.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools import Browser, Page

# pages that nobody looks at must draw as the one in front does
AWAKE = ("--disable-renderer-backgrounding", "--disable-background-timer-throttling")
_MODELS = "[...(window.Bokeh?.documents[0]?._all_models?.values() ?? [])]"
PAINTED = f"({_MODELS}.find(m => m.name === 'painted')?.tags?.[0] ?? 0)"
# Moves the map by a hundredth of its width now and then, as a drag does, and keeps how long it
# took until the browser had put a picture of the new place on the screen.
PAN = """([every, first]) => {
  const all = [...window.Bokeh.documents[0]._all_models.values()]
  const map = all.find(m => m.name === 'map'), painted = all.find(m => m.name === 'painted')
  window.pans = []
  let turn = 0
  const move = () => {
    const {start, end} = map.x_range, step = (turn++ % 2 ? -1 : 1) * (end - start) / 100
    const before = painted.tags[0], asked = performance.now()
    map.x_range.setv({start: start + step, end: end + step})
    const look = setInterval(() => {
      if (painted.tags[0] === before && performance.now() - asked < every) return
      clearInterval(look)
      window.pans.push(performance.now() - asked)
    }, 4)
  }
  setTimeout(() => { move(); window.panning = setInterval(move, every) }, first)
}"""


@dataclass(frozen=True)
class Server:
    """A served bundle: where it answers, its process, and the file of what it says."""

    address: str
    pid: int
    log: Path

    def memory(self) -> Mapping[str, float]:
        """Return Rss, Pss, Private and Anonymous of the process now, MB of 10^6 bytes."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text("utf-8").splitlines()[1:]
        kb = {line.split(":")[0]: float(line.split()[1]) for line in lines}
        kb["Private"] = kb["Private_Clean"] + kb["Private_Dirty"]
        return {n: kb[n] * 1024 / 1e6 for n in ("Rss", "Pss", "Private", "Anonymous")}

    def cpu_s(self) -> float:
        """Return the CPU seconds that the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def errors(self) -> list[str]:
        """Return what the server complained of; a page that left meanwhile is no error."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        wrong = [x for x in lines if "ERROR" in x or "Traceback" in x or "damaged" in x]
        return [line for line in wrong if "WebSocketClosedError" not in line]


@contextmanager
def served(bundle: Path, work: Path) -> Iterator[Server]:
    """Serve a bundle by the command that users run; yields when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = work / "server.log"
    program = Path(sys.executable).with_name("gaia-latent")
    command = [str(program), "serve", str(bundle), "--port", str(port)]
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    try:
        wait_until_said(log, f"http://127.0.0.1:{port}", process)
        yield Server(f"http://127.0.0.1:{port}/", process.pid, log)
    finally:
        process.terminate()
        process.wait()


def wait_until_said(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for a word in the server's log, five minutes at most."""
    for _ in range(1500):
        if text in log.read_text("utf-8", "replace"):
            return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    sys.exit(f"the server did not start: {log.read_text('utf-8', 'replace')[-500:]}")


def answer_s(address: str) -> float:
    """Return how long the server takes for the page's HTML, seconds."""
    start = time.monotonic()
    with urllib.request.urlopen(address, timeout=120) as answer:
        answer.read()
    return time.monotonic() - start


class Visitors:
    """Pages of one headless Chromium, each of a visitor of its own."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address
        self.pages: list[Page] = []

    @property
    def wrong(self) -> list[str]:
        """What any of them complained of."""
        return self.browser.wrong

    def come(self) -> float:
        """Open the page as a new visitor; returns seconds from the request to the map's picture.

        A context of its own: nothing is cached but what the browser itself has compiled.
        """
        page = self.browser.page(1440, 900)
        start = time.monotonic()
        page.open(self.address)
        page.wait_for(f"{PAINTED} > 0")
        taken = time.monotonic() - start
        self.pages.append(page)
        return taken

    def pan(self, every_s: float, for_s: float) -> list[float]:
        """Let all of them pan for a while, one after another; returns each pan's milliseconds."""
        for place, page in enumerate(self.pages):
            page.evaluate(PAN, [1e3 * every_s, 1e3 * every_s * place / len(self.pages)])
        time.sleep(for_s)
        found: list[float] = []
        for page in self.pages:
            page.evaluate("clearInterval(window.panning)")
            found += page.evaluate("window.pans")
        return found

    def leave(self) -> None:
        """Close all pages."""
        for page in self.pages:
            page.close()
        self.pages = []
