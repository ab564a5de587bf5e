"""Everything a browser sends passes here first: it is checked as if anybody had typed it.

A value that can be mended (a size, a range) is clipped; any other raises LimitError, whose text
a person may read. Both are counted in `refused`, so that an operator sees an attack.
"""

from __future__ import annotations

import base64
import html
import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NoReturn, SupportsFloat, TypeVar

import numpy as np
from numpy.typing import NDArray

SMALLEST_PLOT, LARGEST_PLOT = 16, 2048
FINEST_SCREEN = 2.0
MOST_PIXELS = 4_000_000  # of one picture on a fine screen: 16 MB
MOST_VERTICES = 2000
LONGEST_ID_TEXT = 64
MOST_IDS, MOST_IDS_PUBLIC = 100_000, 10_000  # of one pasted list
LONGEST_ENTRY = 32  # characters of an identifier in a list, its designation and separator too
LARGEST_UPLOAD = 64 * 2**20  # bytes of all files that are brought at once
MOST_FILES = 10
LARGEST_PART = 2**19  # bytes of a file that travel at a time
MOST_WITH_DATA = 5000  # sources that are encoded and drawn one by one
LONGEST_FILE_NAME = 80
DEEPEST_ZOOM = 1e-5
FARTHEST_VIEW = 1.5
Extent = tuple[float, float, float, float]
T = TypeVar("T", bound=str)

refused: Counter[str] = Counter()


class LimitError(ValueError):
    """A value from the browser that cannot be taken."""


def _refuse(kind: str, problem: str) -> NoReturn:
    refused[kind] += 1
    raise LimitError(problem)


def finite(value: object, kind: str = "number") -> float:
    """Return a finite float; raises LimitError for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        _refuse(kind, f"{kind} must be a number")
    number = float(value)
    if not math.isfinite(number):
        _refuse(kind, f"{kind} must be finite")
    return number


def within(value: object, low: float, high: float, kind: str = "number") -> float:
    """Return a finite number clipped to low..high; a clipped one is counted."""
    number = finite(value, kind)
    if not low <= number <= high:
        refused[kind] += 1
    return min(max(number, low), high)


def plot_size(width: object, height: object) -> tuple[int, int]:
    """Return the pixels of a picture, each within 16..2048."""
    pixels = (within(v, SMALLEST_PLOT, LARGEST_PLOT, "plot size") for v in (width, height))
    wide, high = (round(v) for v in pixels)
    return wide, high


def pixel_ratio(value: object, width: int, height: int) -> float:
    """Return device pixels per CSS pixel, 1..2, and fewer where the picture would be too large."""
    ratio = within(value, 1, FINEST_SCREEN, "pixel ratio")
    return max(1.0, min(ratio, math.sqrt(MOST_PIXELS / (width * height))))


def triple(values: Sequence[object] | object, kind: str) -> Sequence[object]:
    """Return the three things that a message holds; raises LimitError for any other number."""
    if not isinstance(values, list | tuple) or len(values) != 3:
        _refuse(kind, f"a {kind} message has three parts")
    return values


def view(box: Sequence[object], extent: Extent) -> Extent:
    """Return x0, x1, y0, y1 of a map view, kept near the data and never of zero width.

    Raises LimitError for fewer or more than four numbers, or one that is not finite.
    """
    if len(box) != 4:
        _refuse("view", "a view has four edges")
    edges = [finite(v, "view") for v in box]
    x0, x1 = _interval(edges[0], edges[1], extent[0], extent[1])
    y0, y1 = _interval(edges[2], edges[3], extent[2], extent[3])
    return (x0, x1, y0, y1)


def _interval(a: float, b: float, low: float, high: float) -> tuple[float, float]:
    width = high - low
    a, b = min(a, b), max(a, b)
    clipped = [
        min(max(v, low - FARTHEST_VIEW * width), high + FARTHEST_VIEW * width) for v in (a, b)
    ]
    if clipped != [a, b]:
        refused["view"] += 1
    a, b = clipped
    if b - a < DEEPEST_ZOOM * width:
        middle = (a + b) / 2
        a, b = middle - DEEPEST_ZOOM * width / 2, middle + DEEPEST_ZOOM * width / 2
    return a, b


def polygon(
    xs: Sequence[object] | object, ys: Sequence[object] | object
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of a lasso, (V,) and (V,) float64; more than 2,000 are thinned.

    Raises LimitError for fewer than three, unequal lengths or a corner that is not finite.
    """
    try:
        x, y = (np.atleast_1d(np.asarray(v, np.float64)) for v in (xs, ys))
    except (TypeError, ValueError):
        _refuse("polygon", "a polygon has numbers as corners")
    if x.shape != y.shape or x.ndim != 1 or len(x) < 3:
        _refuse("polygon", "a polygon has three corners or more")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        _refuse("polygon", "a corner of the polygon is not finite")
    if len(x) > MOST_VERTICES:
        refused["polygon"] += 1
        kept = np.linspace(0, len(x) - 1, MOST_VERTICES).astype(int)
        x, y = x[kept], y[kept]
    return x, y


def row(value: object, size: int) -> int:
    """Return a catalog row, 0..size - 1; raises LimitError otherwise."""
    number = finite(value, "row")
    if number != int(number) or not 0 <= number < size:
        _refuse("row", "no such row")
    return int(number)


def choice(value: object, options: Collection[T], kind: str = "choice") -> T:
    """Return the option that was chosen; raises LimitError where it was not offered."""
    for option in options:
        if isinstance(value, str) and option == value:
            return option
    _refuse(kind, f"no such {kind}")


def id_text(value: object) -> str:
    """Return the text of an id box, at most 64 printable characters."""
    if not isinstance(value, str):
        _refuse("id", "the source_id must be text")
    text = value.strip()
    if len(text) > LONGEST_ID_TEXT:
        _refuse("id", f"a source_id has at most 19 digits; this text has {len(text):,} characters")
    if not text.isprintable():
        _refuse("id", "the source_id holds a character that cannot be printed")
    return text


def id_list(value: object, *, public: bool) -> str:
    """Return a pasted list of identifiers; LimitError where it is longer than any list taken."""
    if not isinstance(value, str):
        _refuse("ids", "a list of ids must be text")
    most = most_ids(public=public)
    if len(value) > most * LONGEST_ENTRY:
        _refuse(
            "ids", f"this text has {len(value):,} characters; paste at most {most:,} ids at once"
        )
    return value


def most_ids(*, public: bool) -> int:
    """Return how many identifiers one list may hold."""
    return MOST_IDS_PUBLIC if public else MOST_IDS


def offered_files(offer: object) -> tuple[tuple[str, int], ...]:
    """Return name and size in bytes of the files that a browser wants to send.

    Names are for people alone: no file is ever stored under one. Raises LimitError for too many,
    too large, or an offer of another form.
    """
    if not isinstance(offer, list | tuple) or not 1 <= len(offer) <= MOST_FILES:
        _refuse("upload", f"bring between one and {MOST_FILES} files at once")
    files = []
    for one in offer:
        if not isinstance(one, dict):
            _refuse("upload", "a file has a name and a size")
        size = finite(one.get("size"), "upload")
        if size != int(size) or size < 0:
            _refuse("upload", "a file has a size in bytes")
        files.append((file_name(one.get("name")), int(size)))
    total = sum(size for _, size in files)
    if total > LARGEST_UPLOAD:
        _refuse(
            "upload",
            f"{total / 2**20:,.0f} MB are too much for the screen: bring at most "
            f"{LARGEST_UPLOAD / 2**20:.0f} MB at once, or run gaia-latent place",
        )
    return tuple(files)


def file_name(value: object) -> str:
    """Return the name of somebody's file as text to show: printable, at most 80 characters."""
    if not isinstance(value, str) or not value.strip():
        return "the file"
    name = "".join(c if c.isprintable() else "?" for c in value.strip())
    return name if len(name) <= LONGEST_FILE_NAME else f"...{name[3 - LONGEST_FILE_NAME :]}"


def part(message: object, wanted: Sequence[int]) -> bytes:
    """Return a part of a file, sent as base64: the one that was asked for, not longer than it may.

    `wanted` is upload, file and offset. Raises LimitError for anything else.
    """
    if not isinstance(message, dict):
        _refuse("upload", "a part of a file has a place and bytes")
    data, said = message.get("data"), [message.get(k) for k in ("upload", "file", "offset")]
    if not isinstance(data, str) or not 0 < len(data) <= 4 * -(-LARGEST_PART // 3):
        _refuse("upload", "a part of a file is missing or too large")
    if said != list(wanted):
        _refuse("upload", "this part of a file was not asked for")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        _refuse("upload", "a part of a file is not base64")
    return content


def safe_text(value: object) -> str:
    """Escape a catalog string for HTML; every such string passes here before it is rendered."""
    return html.escape(str(value), quote=True)
