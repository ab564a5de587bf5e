"""A Chromium that says when a new picture was painted, whoever drew it.

The probe knows canvases only: a picture is new when pixels of at least a tenth of the map are put
into a canvas or a WebGL texture (HoloViews' default), and painted one animation frame after it was
drawn. It holds for every page whose map is an image of Bokeh, ours and HoloViews' alike.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from devtools import Browser, TooLateError

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 900, 700
QUIET_MS = 700  # no newer picture for so long: the last one was the exact one
PATIENCE_S = 60.0
TRIES = 3
RESTING_MS = 60.0  # CPU of a server in two seconds that has nothing to do
PROBE = """
(() => {
  const seen = window.seen = {input: 0, up: 0, painted: [], changed: 0}
  const fresh = new WeakSet()
  const context = CanvasRenderingContext2D.prototype
  const painted = () => requestAnimationFrame(() => seen.painted.push(performance.now()))
  const put = context.putImageData, draw = context.drawImage
  context.putImageData = function (data) {
    if (data.width * data.height > LEAST) fresh.add(this.canvas)
    return put.apply(this, arguments)
  }
  context.drawImage = function (image) {
    const done = draw.apply(this, arguments)
    if (fresh.delete(image)) painted()
    return done
  }
  for (const kind of [WebGLRenderingContext, WebGL2RenderingContext]) {
    const upload = kind.prototype.texImage2D
    kind.prototype.texImage2D = function (...given) {
      const from = given.length > 6 ? {width: given[3], height: given[4]} : given.at(-1)
      if (from && from.width * from.height > LEAST) painted()
      return upload.apply(this, given)
    }
  }
  // Chromium makes up movements of a hand that rests, when what lies under it changes
  const input = event => {
    if (event.type === 'wheel' || event.buttons) seen.input = performance.now()
  }
  for (const kind of ['wheel', 'pointermove']) window.addEventListener(kind, input, true)
  window.addEventListener('pointerup', () => { seen.up = performance.now() }, true)
  const watcher = new MutationObserver(() => { seen.changed = performance.now() })
  const what = {subtree: true, childList: true, characterData: true}
  const attach = Element.prototype.attachShadow
  Element.prototype.attachShadow = function () {
    const root = attach.apply(this, arguments)
    watcher.observe(root, what)
    return root
  }
  window.addEventListener('DOMContentLoaded', () => watcher.observe(document, what))
})()
""".replace("LEAST", str(WIDTH * HEIGHT // 10))
SETTLED = "seen.painted.length > 0 && performance.now() - seen.painted.at(-1) > QUIET"


class NoPictureError(RuntimeError):
    """The hand moved and the picture stayed."""


@dataclass(frozen=True)
class Step:
    """Milliseconds from the hand's last movement to the first and the last picture that it
    brought, and to the last change of the page's text; CPU ms of the server."""

    first: float
    last: float
    text: float
    cpu: float


LOST = Step(*([1e3 * PATIENCE_S] * 3), 0.0)


@contextmanager
def server(what: str, bundle: Path) -> Iterator[tuple[str, int]]:
    """Serve one of screen_servers.py; yields its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(HERE / "screen_servers.py"), what, str(bundle), str(port)]
    process = subprocess.Popen(command)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}/", process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not answer within {seconds:.0f} s")


def cpu_ms(pid: int) -> float:
    """Return the CPU milliseconds that a process has used, all threads counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith("VmRSS")).split()[1]) / 1024


class Screen:
    """A page with a map, and a hand on it."""

    def __init__(self, browser: Browser, address: str, pid: int, quiet_ms: int = QUIET_MS) -> None:
        self.pid, self.quiet_ms = pid, quiet_ms
        self.page = browser.page(1600, 900)
        self.page.before(PROBE)
        start = time.monotonic()
        self.page.open(address)
        self.page.wait_for("seen.painted.length > 0")
        self.first_picture_ms = 1e3 * (time.monotonic() - start)
        self._settle()

    def close(self) -> None:
        self.page.close()

    @property
    def box(self) -> dict[str, float]:
        found = self.page.box(".bk-Figure")
        assert found is not None
        return found

    def fit(self) -> None:
        """Make the window so large that the map has 900 x 700."""
        for _ in range(3):
            box, (width, height) = self.box, self.page.size
            wide, high = WIDTH - round(box["width"]), HEIGHT - round(box["height"])
            if not wide and not high:
                return
            self.page.resize(width + wide, height + high)
            self.page.wait(1000)
            self._settle()

    def rest(self) -> None:
        """Wait until the server has nothing to do: what follows the first picture is over."""
        for _ in range(60):
            before = cpu_ms(self.pid)
            self.page.wait(2000)
            if cpu_ms(self.pid) - before < RESTING_MS:
                return

    def wheel(self, turn: int, place: tuple[float, float]) -> Step:
        """Turn the wheel by one notch over a place of the map, given as shares of its sides."""
        self._begin(place)
        cpu = self._forget()
        self.page.wheel(turn)
        return self._step(cpu, "input")

    def pan(self, dx: float, dy: float) -> Step:
        """Drag the map; the time counts from the last movement of the drag."""
        x, y = self._begin((0.5, 0.5))
        self.page.down()
        for part in np.linspace(0, 1, 7)[1:]:
            if part == 1:
                cpu = self._forget()
            self.page.move(x + part * dx, y + part * dy)
            self.page.wait(16)
        self.page.up()
        return self._step(cpu, "input")

    def lasso(self, corners: np.ndarray) -> Step:
        """Draw a lasso through corners (V, 2), shares of the sides; time counts from its end.

        A busy stock page may take a drag whose start it saw late for a long press; ours does not.
        The hand tries again.
        """
        for _ in range(TRIES - 1):
            try:
                return self._lasso(corners)
            except NoPictureError:
                if self.page.evaluate("seen.changed > seen.input"):
                    raise
        return self._lasso(corners)

    def _lasso(self, corners: np.ndarray) -> Step:
        box = self.box
        pixels = corners * [box["width"], box["height"]] + [box["x"], box["y"]]
        self.page.move(*pixels[0])
        self.page.down()
        for x, y in pixels[1:]:
            self.page.move(x, y)
            self.page.wait(8)
        self.page.wait(500)  # whatever follows the hand has done so
        cpu = self._forget()
        self.page.up()
        return self._step(cpu, "up")

    def _begin(self, place: tuple[float, float]) -> tuple[float, float]:
        box = self.box
        x, y = box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"]
        self.page.move(x, y)
        self.page.wait(150)
        return x, y

    def _forget(self) -> float:
        self.page.evaluate("seen.painted.length = 0")
        return cpu_ms(self.pid)

    def _settle(self) -> None:
        try:
            self.page.wait_for(SETTLED.replace("QUIET", str(self.quiet_ms)), PATIENCE_S)
        except TooLateError as error:
            raise NoPictureError(f"no picture within {PATIENCE_S:.0f} s") from error

    def _step(self, cpu: float, since: str) -> Step:
        self._settle()
        used = cpu_ms(self.pid) - cpu
        seen = self.page.evaluate("seen")
        start = seen[since]
        painted = [t - start for t in seen["painted"] if t > start]
        if not painted:
            raise NoPictureError("no picture came after the hand's last movement")
        return Step(painted[0], painted[-1], seen["changed"] - start, used)
