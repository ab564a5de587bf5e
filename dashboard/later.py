"""Work that may take its time: done beside the session, shown in it when it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import panel as pn
from bokeh.document import without_document_lock

T = TypeVar("T")
_POOL = ThreadPoolExecutor(max_workers=1, thread_name_prefix="later")


def later(compute: Callable[[], T], show: Callable[[T], None]) -> None:
    """Run `compute` in a thread, after what the session does now, and `show` its result in it.

    Pictures and gestures go on meanwhile. Without an open page both run at once.
    """
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        show(compute())
        return

    @without_document_lock
    async def work() -> None:
        found = await asyncio.get_running_loop().run_in_executor(_POOL, compute)
        context = document.session_context
        if context is not None and not context.destroyed:
            document.add_next_tick_callback(lambda: show(found))

    document.add_next_tick_callback(work)
