"""What a visitor brings, on its way: received in parts, read apart, placed beside the page."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import panel as pn
import param
from panel.custom import JSComponent

from dashboard import limits
from dashboard.limits import LimitError
from dashboard.mine import Mine
from latent_core import LatentSpace
from latent_core.surveys.brought import Brought

# few at a time for all visitors: each may read for a minute
_POOL = ThreadPoolExecutor(max_workers=2, thread_name_prefix="bring")
Scratch = tempfile.TemporaryDirectory[str]

_DROP_STYLE = """
.drop { display: block; border: 1.5px dashed #9DA8B5; border-radius: 8px; padding: 10px 12px;
  text-align: center; font: 12.5px/1.4 system-ui, sans-serif; color: var(--ink, #1B2430);
  cursor: pointer; }
.drop.over, .drop:hover { border-color: var(--accent, #2456C8); background: #F3F6FD; }
.drop:focus-within { outline: 2px solid var(--accent, #2456C8); outline-offset: 1px; }
.drop input { position: absolute; width: 1px; height: 1px; opacity: 0; }
.drop b { font-weight: 600; color: var(--accent, #2456C8); }
.drop.off { opacity: .5; pointer-events: none; }
"""
_DROP_ESM = """
export function render({ model }) {
  const zone = document.createElement('label')
  zone.className = 'drop'
  const input = document.createElement('input')
  input.type = 'file'
  input.multiple = true
  input.setAttribute('aria-label', 'files with spectra, light curves or ids')
  const text = document.createElement('span')
  text.innerHTML = 'Drop files here, or <b>choose files</b>'
  zone.append(input, text)
  let files = []
  const offer = (list) => {
    files = [...list]
    if (files.length)
      model.send_msg({ offer: files.map((f) => ({ name: f.name, size: f.size })) })
    input.value = ''
  }
  input.addEventListener('change', () => offer(input.files))
  for (const kind of ['dragenter', 'dragover'])
    zone.addEventListener(kind, (e) => { e.preventDefault(); zone.classList.add('over') })
  for (const kind of ['dragleave', 'drop'])
    zone.addEventListener(kind, (e) => { e.preventDefault(); zone.classList.remove('over') })
  zone.addEventListener('drop', (e) => offer(e.dataTransfer.files))
  model.on('wanted', () => {
    const [upload, file, offset] = model.wanted
    if (upload === undefined || !files[file]) return
    const reader = new FileReader()
    reader.onload = () =>
      model.send_msg({ upload, file, offset, data: reader.result.split(',')[1] })
    reader.onerror = () => model.send_msg({ lost: true })
    reader.readAsDataURL(files[file].slice(offset, offset + model.part_size))
  })
  const able = () => zone.classList.toggle('off', model.busy)
  model.on('busy', able)
  able()
  return zone
}
"""


class DropZone(JSComponent):
    """Takes files part by part: the server asks for each, so nothing unasked is kept.

    `received(scratch, files, names)` is told of whole files in a folder of their own, `refused`
    of a reason. What the browser calls a file is shown, and never used as a path.
    """

    wanted = param.List(doc="upload, file and offset of the part that is asked for")
    part_size = param.Integer(default=limits.LARGEST_PART)
    busy = param.Boolean(doc="nothing is taken now")
    _esm = _DROP_ESM
    _stylesheets = [_DROP_STYLE]  # noqa: RUF012

    def __init__(
        self,
        received: Callable[[Scratch, Sequence[Path], Sequence[str]], None],
        refused: Callable[[str], None],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._received, self._refused = received, refused
        self._upload = 0
        self._scratch: Scratch | None = None
        self._offer: tuple[tuple[str, int], ...] = ()
        self.on_msg(self._told)

    def _told(self, event: Any) -> None:
        message = event.data
        try:
            if self.busy:
                raise LimitError("wait until the files before are placed, or cancel")
            if isinstance(message, dict) and "offer" in message:
                self._begin(limits.offered_files(message["offer"]))
            elif isinstance(message, dict) and "lost" in message:
                raise LimitError("the browser could not read the file; choose it again")
            else:
                self._take(limits.part(message, self.wanted))
        except LimitError as error:
            self.forget()
            self._refused(str(error))

    def _begin(self, offer: tuple[tuple[str, int], ...]) -> None:
        self.forget()
        empty = next((name for name, size in offer if not size), None)
        if empty is not None:
            raise LimitError(f"{empty}: the file is empty")
        self._upload += 1
        self._offer = offer
        self._scratch = tempfile.TemporaryDirectory(prefix="gaia-latent-mine-")
        self.wanted = [self._upload, 0, 0]

    def _take(self, data: bytes) -> None:
        if self._scratch is None:
            raise LimitError("no file was offered")
        _, file, offset = self.wanted
        size = self._offer[file][1]
        if offset + len(data) > size:
            raise LimitError(f"{self._offer[file][0]} is longer than the browser said")
        with (Path(self._scratch.name) / str(file)).open("ab") as stream:
            stream.write(data)
        if offset + len(data) < size:
            self.wanted = [self._upload, file, offset + len(data)]
        elif file + 1 < len(self._offer):
            self.wanted = [self._upload, file + 1, 0]
        else:
            self._finish()

    def _finish(self) -> None:
        scratch, offer = self._scratch, self._offer
        self._scratch, self.wanted = None, []
        if scratch is not None:
            files = [Path(scratch.name) / str(number) for number in range(len(offer))]
            self._received(scratch, files, [name for name, _ in offer])

    def forget(self) -> None:
        """Drop an upload that is under way, and what came of it."""
        self.wanted = []
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None


def place_mine(space: LatentSpace, brought: Brought, projection: str) -> Mine:
    """Place what was brought on a map; InputError where the space cannot encode it."""
    from latent_core.placing import place_brought

    placed = place_brought(space, brought, projection)
    rows = space.bundle.rows(placed.source_id)
    places = np.full((len(rows), 2), np.nan, np.float32)
    known = rows >= 0
    places[known] = space.projection(projection).coordinates[rows[known]]
    return Mine(brought, placed, rows, places)


class Work:
    """At most one piece of work of a session, beside the event loop; a later one replaces it."""

    def __init__(self, finished: Callable[[Future[Any]], None]) -> None:
        self._finished = finished
        self._stop = Event()
        self.running = False

    def start(self, work: Callable[[Callable[[], bool]], Any]) -> None:
        """Call `work(stopped)` in a thread, then `finished` with its future, document locked."""
        self.cancel()
        stop = self._stop = Event()
        self.running = True
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            future: Future[Any] = _POOL.submit(work, stop.is_set)
            future.exception()
            self._end(stop, future)
            return

        def over(future: Future[Any]) -> None:
            if not stop.is_set():
                document.add_next_tick_callback(lambda: self._end(stop, future))

        _POOL.submit(work, stop.is_set).add_done_callback(over)

    def _end(self, stop: Event, future: Future[Any]) -> None:
        if not stop.is_set():
            self.running = False
            self._finished(future)

    def cancel(self) -> None:
        """Stop what runs; its result is dropped."""
        self._stop.set()
        self.running = False
