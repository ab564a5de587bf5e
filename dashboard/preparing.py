"""What the server does beside its first pages: check every file, load models, search once.

All take seconds for millions of sources, and a page that is asked for meanwhile must not wait:
a file that it needs is checked at once when it is read (`Folder.file`), and one sentence says
what is damaged, here to whoever serves and on the page to whoever looks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Thread

from latent_core import Bundle
from latent_core.bundle import Folder
from latent_core.errors import LatentError

# what a page asks for first is checked first
ORDER = ("spaces/", "columns/", "models/")
_LOG = logging.getLogger(__name__)


def in_order_of_need(folder: Folder) -> list[str]:
    """Return a folder's files, those that a page shows first in front."""

    def rank(name: str) -> tuple[int, str]:
        return next((i for i, start in enumerate(ORDER) if name.startswith(start)), 9), name

    return sorted(folder.names(), key=rank)


def check_files(
    bundles: Mapping[str, Bundle], say: Callable[[str], None], stop: Event | None = None
) -> int:
    """Compare every file with the manifests; `say` gets a sentence for each damaged one.

    Returns how many are damaged.
    """
    damaged = 0
    for bundle in bundles.values():
        for name in in_order_of_need(bundle.folder):
            if stop is not None and stop.is_set():
                return damaged
            try:
                bundle.folder.file(name)
            except LatentError as error:
                damaged += 1
                say(str(error))
    return damaged


def load_models(bundles: Mapping[str, Bundle], say: Callable[[str], None]) -> None:
    """Import torch and open every model, before anybody waits for one."""
    for bundle in bundles.values():
        for name in bundle.model_names:
            try:
                model = bundle.model(name)
                model.curves(model.latents[0], None)
            except LatentError as error:
                say(str(error))


def search_once(bundles: Mapping[str, Bundle], say: Callable[[str], None]) -> None:
    """Ask every space for one source's neighbors, which compiles what a search needs."""
    for bundle in bundles.values():
        for name in bundle.spaces:
            try:
                space = bundle.space(name)
                if len(space.present):
                    space.similar(int(bundle.folder.catalog.source_id[space.present[0]]))
            except LatentError as error:
                say(str(error))


def prepare(
    bundles: Mapping[str, Bundle],
    delay_s: float,
    say: Callable[[str], None],
    done: Callable[[], None] = lambda: None,
) -> Event:
    """Start checking at once and loading after a while, in one thread; set the event to stop.

    `done` is called in that thread, unless it was stopped.
    """
    stop = Event()

    def work() -> None:
        check_files(bundles, say, stop)
        if not stop.wait(delay_s):
            search_once(bundles, say)
            load_models(bundles, say)
            done()

    Thread(target=work, name="preparing", daemon=True).start()
    return stop


def log_damage(sentence: str) -> None:
    """Say what is damaged in the server's log."""
    _LOG.error(sentence)
