"""A headless Chromium driven by few words of its DevTools protocol, over a pipe.

A driver for tests has every message of a page's WebSocket told to it, in base64: for a picture of
2.5 MB that costs as much as the server spends on drawing it, and comes before the page itself sees
the picture. What is timed here is told nothing but what it asks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARGUMENTS = [
    *("--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--disable-extensions", "--hide-scrollbars"),
]
FROM_BROWSER, TO_BROWSER = 4, 3  # the numbers of the pipes that --remote-debugging-pipe reads
LOOK_MS = 20
# Selectors and texts are looked for in shadow trees as well: Panel has one a widget
_FIND = """(selector, text) => {
  const look = root => {
    for (const found of root.querySelectorAll(selector))
      if (text === undefined || found.textContent.trim() === text) return found
    for (const host of root.querySelectorAll('*')) {
      const found = host.shadowRoot && look(host.shadowRoot)
      if (found) return found
    }
  }
  const found = look(document), box = found?.getBoundingClientRect()
  return box && {x: box.x, y: box.y, width: box.width, height: box.height}
}"""
_WAIT = """new Promise(done => {
  const look = () => (CONDITION) ? done(true) : setTimeout(look, LOOK)
  look()
})"""


class BrowserError(RuntimeError):
    """The browser refused a command, or a script of ours raised."""


class TooLateError(RuntimeError):
    """What was waited for did not come."""


class Browser:
    """A running Chromium; `wrong` holds what pages complained of, console errors included."""

    def __init__(self, to_browser: Any, from_browser: Any) -> None:
        self._to, self._from = to_browser, from_browser
        self._number, self._heard = 0, b""
        self.wrong: list[str] = []

    def call(self, method: str, session: str | None = None, **given: Any) -> dict[str, Any]:
        """Send one command and return its answer; events that come before it are looked at."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        if session is not None:
            message["sessionId"] = session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._read()
            if answer.get("id") != self._number:
                self._told(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error'].get('message')}")
            else:
                return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._heard:
            more = self._from.read1(1 << 16)
            if not more:
                raise BrowserError("Chromium ended")
            self._heard += more
        message, _, self._heard = self._heard.partition(b"\0")
        return dict(json.loads(message))

    def _told(self, event: Mapping[str, Any]) -> None:
        given = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = given["exceptionDetails"]
            told = details.get("exception", {}).get("description")
            self.wrong.append(str(told or details.get("text")))
        if event.get("method") == "Runtime.consoleAPICalled" and given["type"] == "error":
            self.wrong.append(str([part.get("value") for part in given["args"]]))

    def page(self, width: int, height: int) -> Page:
        """Open an empty page of a visitor who shares nothing with others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call(
            "Target.createTarget", url="about:blank", browserContextId=context, newWindow=True
        )["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, context, session)
        page.resize(width, height)
        return page


class Page:
    """A page and the mouse on it; places are CSS pixels."""

    def __init__(self, browser: Browser, context: str, session: str) -> None:
        self._browser, self._context, self._session = browser, context, session
        self._held, self._at = 0, {"x": 0.0, "y": 0.0}
        self._call("Page.enable")
        self._call("Runtime.enable")

    def _call(self, method: str, **given: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **given)

    def resize(self, width: int, height: int) -> None:
        """Give the page another size."""
        self.size = width, height
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def before(self, script: str) -> None:
        """Run a script before any of the pages that are opened from now on."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, address: str) -> None:
        """Go to an address; returns when its first bytes are there."""
        failed = self._call("Page.navigate", url=address).get("errorText")
        if failed:
            raise BrowserError(f"{address}: {failed}")

    def evaluate(self, script: str, *given: Any) -> Any:
        """Return the value of a script, a function if something is `given`; promises awaited."""
        if given:
            script = f"({script})({', '.join(map(json.dumps, given))})"
        found = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise BrowserError(json.dumps(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 120.0) -> None:
        """Wait until an expression holds in the page; raises TooLateError after `seconds`.

        The page looks by itself: asking it often from here would keep it busy.
        """
        end = time.monotonic() + seconds
        waiting = _WAIT.replace("CONDITION", condition).replace("LOOK", str(LOOK_MS))
        limit = "new Promise(done => setTimeout(() => done(false), {:.0f}))"
        while (left := end - time.monotonic()) > 0:
            try:
                if self.evaluate(f"Promise.race([{waiting}, {limit.format(1e3 * left)}])"):
                    return
            except BrowserError as error:
                if "context" not in str(error) and "navigat" not in str(error):
                    raise
                time.sleep(LOOK_MS / 1e3)  # the page before it has just gone
        raise TooLateError(f"{condition} did not hold within {seconds:.0f} s")

    def wait(self, milliseconds: float) -> None:
        """Let time pass."""
        time.sleep(milliseconds / 1e3)

    def box(self, selector: str, text: str | None = None) -> dict[str, float] | None:
        """Return where the first element is that fits a selector (and has a text)."""
        given = (selector,) if text is None else (selector, text)
        return self.evaluate(_FIND, *given)  # type: ignore[no-any-return]

    def press(self, button: str) -> None:
        """Click a button by its text."""
        box = self.box("button", button)
        if box is None:
            raise BrowserError(f"there is no button {button}")
        self.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.down()
        self.up()

    def move(self, x: float, y: float) -> None:
        """Move the mouse."""
        self._at = {"x": float(x), "y": float(y)}
        self._mouse("mouseMoved")

    def down(self) -> None:
        """Press the left button."""
        self._held = 1
        self._mouse("mousePressed", clickCount=1)

    def up(self) -> None:
        """Let the left button go."""
        self._held = 0
        self._mouse("mouseReleased", clickCount=1)

    def wheel(self, turn: float) -> None:
        """Turn the wheel, downwards by pixels."""
        self._mouse("mouseWheel", deltaX=0, deltaY=turn)

    def _mouse(self, what: str, **given: Any) -> None:
        button = "left" if self._held or what == "mouseReleased" else "none"
        self._call(
            "Input.dispatchMouseEvent",
            type=what, **self._at, button=button, buttons=self._held, **given,
        )  # fmt: skip

    def close(self) -> None:
        """Leave, as closing the window does."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)


@contextmanager
def chromium(*further: str) -> Iterator[Browser]:
    """Start one headless Chromium, with further arguments."""
    sys.path.insert(0, str(HERE.parent / "tests" / "browser"))
    from chromium import find_chromium

    program = find_chromium()
    if program is None:
        sys.exit("no Chromium; make browser installs one")
    hears, to_browser = os.pipe()
    from_browser, says = os.pipe()

    def take_pipes() -> None:
        kept = os.dup(hears), os.dup(says)  # beyond 4, whatever the numbers were
        os.dup2(kept[0], TO_BROWSER)
        os.dup2(kept[1], FROM_BROWSER)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *ARGUMENTS, f"--user-data-dir={profile}", *further, "about:blank"],
            preexec_fn=take_pipes, pass_fds=(TO_BROWSER, FROM_BROWSER), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(hears)
        os.close(says)
        with os.fdopen(to_browser, "wb") as to, os.fdopen(from_browser, "rb") as told:
            browser = Browser(to, told)
            try:
                yield browser
            finally:
                browser.call("Browser.close")
                process.wait(30)
