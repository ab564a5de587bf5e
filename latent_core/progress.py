"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import click


class Progress:
    """A bar with rate and remaining time on a terminal, plain lines elsewhere."""

    def __init__(self, label: str = "") -> None:
        self._label = f"{label}: " if label else ""
        self._stage = ""
        self._bar: Any = None
        self._said = 0.0

    def __call__(self, stage: str, done: int, total: int, text: str) -> None:
        """Show that `done` of `total` steps of a stage are made (total 0: unknown)."""
        if sys.stderr.isatty() and not self._label:
            self._show_bar(stage, done, total, text)
        elif (
            stage != self._stage or time.monotonic() - self._said > 10 or (total and done == total)
        ):
            of = f" {done}/{total}" if total else ""
            click.echo(f"{self._label}{stage}{of} {text}".rstrip(), err=True)
            self._said = time.monotonic()
        self._stage = stage

    def _show_bar(self, stage: str, done: int, total: int, text: str) -> None:
        from tqdm import tqdm

        if stage != self._stage:
            if self._bar is not None:
                self._bar.close()
            self._bar = tqdm(total=total or None, desc=stage, leave=True, dynamic_ncols=True)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(done - self._bar.n)


def labelled(label: str) -> Progress:
    """Return the progress of one of several processes: plain lines under its name."""
    return Progress(label)


def counted() -> Callable[[str, int, int], None]:
    """Return a progress for work that only counts: called with (stage, done, total)."""
    progress = Progress()
    return lambda stage, done, total: progress(stage, done, total, "")
