"""Planes of astronomy: two columns, or what is derived of them, as coordinates of all sources.

A plane says which columns it needs and how a source gets its place; a source that lacks one has
no place. `planes_of` tells what a catalog can show, and in one sentence what it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_core import sky
from latent_core.catalog import Column
from latent_core.projection import DrawingCopy, Floats, sort_for_drawing

Values = Mapping[str, NDArray[np.float64]]
Extent = tuple[float, float, float, float]
Place = Callable[[Values], tuple[NDArray[np.float64], NDArray[np.float64]]]
Number = Callable[[Values], NDArray[np.float64]]
Known = Mapping[str, Column]

BLOCK = 250_000  # sources that are placed at a time: temporary arrays stay small
LEAST_PARALLAX_SNR = 5  # 0.4 mag of M_G at the limit, as Gaia's own diagrams are cut at 10
COLOUR, BRIGHT = "bp_rp", ("phot_g_mean_mag", "magnitude_mean")
BLUE, RED = "phot_bp_mean_mag", "phot_rp_mean_mag"
# Teff and log g of one origin each; the survey's own first
ATMOSPHERES = tuple((f"teff{s}", f"logg{s}") for s in ("", "_gspphot", "_gspspec", "_p50"))
PERIODS = ("period_d", "pf", "p1_o")
FREQUENCIES = ("frequency", "frequency1", "poster_frequency")
AMPLITUDES = (
    *("amplitude", "peak_to_peak_g", "amplitude_estimate", "amplitude_g_freq1"),
    *("magnitude_std", "std_dev_mag_g_fov"),
)
HOME_PERCENT, HOME_SAMPLE = 0.1, 200_000
KEPT_WHOLE = 1.5  # a plane whose outermost points make it wider by no more than this shows them


@dataclass(frozen=True)
class Axis:
    """What one coordinate of a plane is."""

    label: str
    unit: str = ""
    inverted: bool = False

    @property
    def title(self) -> str:
        """Label with its unit, as an axis carries it."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


@dataclass(frozen=True)
class Plane:
    """Two coordinates a source: their axes, the columns they need, and how they are made.

    `extent` is x0, x1, y0, y1 of a plane that has bounds of its own, such as the sky.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    needs: tuple[str, ...]
    place: Place
    caption: str = ""
    extent: Extent | None = None

    def coordinates(self, read: Callable[[str], NDArray]) -> Floats:
        """Return the places of all sources, (N, 2) float32, NaN where one has none.

        `read` gives the values of a column in catalog order, (N,), NaN where one is missing.
        """
        columns = {name: read(name) for name in self.needs}
        size = len(next(iter(columns.values())))
        placed = np.empty((size, 2), np.float32)
        for start in range(0, size, BLOCK):
            part = slice(start, start + BLOCK)
            block = {n: np.asarray(v[part], np.float64) for n, v in columns.items()}
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                placed[part, 0], placed[part, 1] = self.place(block)
        placed[~np.isfinite(placed).all(axis=1)] = np.nan
        return placed


@dataclass(frozen=True)
class Placed:
    """A plane with all its sources in it, sorted for drawing.

    `home` is the box that holds nearly all of them, `missing` counts those without a place.
    """

    plane: Plane
    drawing: DrawingCopy
    home: Extent
    missing: int


@dataclass(frozen=True)
class Offer:
    """The planes of one kind that a catalog can show, best first; else why there is none."""

    planes: tuple[Plane, ...]
    missing: str = ""


def placed(plane: Plane, read: Callable[[str], NDArray]) -> Placed:
    """Compute a plane's coordinates and sort them; see `Plane.coordinates`."""
    coordinates = plane.coordinates(read)
    drawing = sort_for_drawing(coordinates, plane.extent)
    home = plane.extent or _home(drawing)
    return Placed(plane, drawing, home, len(coordinates) - len(drawing.order))


def _home(drawing: DrawingCopy) -> Extent:
    """Return the box without the outermost 0.1 % on each side, where those lie far out."""
    step = max(1, len(drawing.x) // HOME_SAMPLE)
    edges: list[float] = []
    ends = (drawing.extent[:2], drawing.extent[2:])
    for values, (low, high) in zip((drawing.x[::step], drawing.y[::step]), ends, strict=True):
        if len(values):
            near = np.percentile(values, (HOME_PERCENT, 100 - HOME_PERCENT))
            if 0 < near[1] - near[0] < (high - low) / KEPT_WHOLE:
                low, high = float(near[0]), float(near[1])
        edges += [low, high]
    return (edges[0], edges[1], edges[2], edges[3])


def planes_of(columns: Sequence[Column]) -> dict[str, Offer]:
    """Return what a catalog with these columns can show: `cmd`, `sky`, `period`."""
    known = {c.name: c for c in columns if c.kind == "number"}
    return {"cmd": _diagrams(known), "sky": _sky(known), "period": _periods(known)}


def pair(x: Column, y: Column) -> Plane:
    """Return the plane of any two columns or latents."""

    def place(values: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return values[x.name], values[y.name]

    across, up = _axis(x), _axis(y)
    title = f"{up.label} against {across.label}"
    return Plane(f"pair {x.name} {y.name}", title, across, up, (x.name, y.name), place)


def _first(names: Sequence[str], known: Known) -> str | None:
    return next((name for name in names if name in known), None)


def _diagrams(known: Known) -> Offer:
    """Colour-magnitude and Hertzsprung-Russell diagrams."""
    g = _first(BRIGHT, known)
    found: list[Plane] = []
    if g is not None:
        found += _with_magnitude(known, g)
    found += _with_gravity(known)
    if found:
        return Offer(tuple(found))
    lacks = [] if _has_colour(known) else [f"{COLOUR} (nor {BLUE} and {RED})"]
    lacks += [] if g else [BRIGHT[0]]
    return Offer((), f"A colour-magnitude diagram needs colour and G: {_none_of(lacks)}.")


def _with_magnitude(known: Known, g: str) -> Iterator[Plane]:
    """Yield diagrams with absolute G where there are parallaxes, then with the apparent G."""
    bright = Axis("G", "mag", True)
    absolute = Axis("absolute G", "mag", True)
    has_parallax = "parallax" in known
    if _has_colour(known):
        colour, needs, make = Axis("BP\N{MINUS SIGN}RP", "mag"), *_colour(known)
        if has_parallax:
            yield _absolute(known, "cmd", "BP\N{MINUS SIGN}RP, absolute G", g, colour, needs, make)
        note = "G is apparent" + ("." if has_parallax else ": the catalog has no parallax.")
        yield Plane(
            "cmd_apparent", "BP\N{MINUS SIGN}RP, apparent G", colour,
            Axis("apparent G", bright.unit, True), (*needs, g),
            lambda v: (make(v), v[g]), note,
        )  # fmt: skip
    teff = _first([t for t, _ in ATMOSPHERES], known)
    if teff is not None and has_parallax:
        title = f"Teff, {absolute.label}"
        yield _absolute(known, "hrd", title, g, _axis(known[teff], True), (teff,), _column(teff))


def _with_gravity(known: Known) -> Iterator[Plane]:
    both = next(((t, g) for t, g in ATMOSPHERES if t in known and g in known), None)
    if both is not None:
        teff, logg = both
        yield Plane(
            "kiel", "Teff, log g", _axis(known[teff], True), _axis(known[logg], True), both,
            lambda v: (v[teff], v[logg]), "Kiel diagram: both axes run backwards.",
        )  # fmt: skip


def _axis(column: Column, inverted: bool = False) -> Axis:
    return Axis(column.label or column.name, column.unit, inverted or column.inverted)


def _column(name: str) -> Number:
    return lambda values: values[name]


def _has_colour(known: Known) -> bool:
    return COLOUR in known or (BLUE in known and RED in known)


def _colour(known: Known) -> tuple[tuple[str, ...], Number]:
    if COLOUR in known:
        return (COLOUR,), _column(COLOUR)
    return (BLUE, RED), lambda v: v[BLUE] - v[RED]


def _absolute(
    known: Known, name: str, title: str, g: str, x: Axis, needs: tuple[str, ...], make: Number
) -> Plane:
    """Return a diagram against M_G = G + 5 log10(parallax / mas) - 10, in mag."""
    quality, error = "parallax_over_error", "parallax_error"
    extra = _first((quality, error), known)
    cut = f"parallax at least {LEAST_PARALLAX_SNR} times its error"
    caption = cut if extra else "parallax above 0; the catalog has no parallax error to cut at"

    def place(values: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        parallax = values["parallax"]
        good = parallax > 0
        if extra == quality:
            good &= values[quality] >= LEAST_PARALLAX_SNR
        elif extra == error:
            good &= parallax >= LEAST_PARALLAX_SNR * values[error]
        return make(values), absolute_magnitude(values[g], np.where(good, parallax, np.nan))

    columns = (*needs, g, "parallax", *((extra,) if extra else ()))
    axis = Axis("absolute G", "mag", True)
    return Plane(name, title, x, axis, columns, place, f"{caption}; not corrected for extinction.")


def absolute_magnitude(
    magnitude: NDArray[np.float64], parallax: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the absolute magnitude of a parallax in mas, (N,); NaN where that is not above 0."""
    return magnitude + 5 * _log(parallax) - 10


def _sky(known: Known) -> Offer:
    x, y = Axis("galactic longitude", "deg"), Axis("galactic latitude", "deg")
    caption = (
        "Equal areas (Hammer-Aitoff); galactic longitude grows to the left of 0 in the middle."
    )

    def offer(needs: tuple[str, ...], place: Place) -> Offer:
        return Offer((Plane("sky", "Sky", x, y, needs, place, caption, sky.EXTENT),))

    if "l" in known and "b" in known:
        return offer(("l", "b"), lambda v: sky.hammer(np.radians(v["l"]), np.radians(v["b"])))
    if "ra" in known and "dec" in known:
        return offer(("ra", "dec"), lambda v: sky.hammer(*sky.galactic(v["ra"], v["dec"])))
    lacks = [name for name in ("ra", "dec") if name not in known]
    return Offer((), f"The sky needs positions: {_none_of(lacks)}.")


def _periods(known: Known) -> Offer:
    period, cycles = _first(PERIODS, known), _first(FREQUENCIES, known)
    heights = [name for name in AMPLITUDES if name in known]
    found = period or cycles
    if found is None or not heights:
        lacks = [] if found else [f"{PERIODS[0]} (nor {FREQUENCIES[0]})"]
        lacks += [] if heights else [f"{AMPLITUDES[0]} (nor magnitude_std)"]
        return Offer((), f"Period and amplitude are needed: {_none_of(lacks)}.")
    log_period: Number = (lambda v: _log(v[found])) if period else (lambda v: -_log(v[found]))
    axis = Axis("log\N{SUBSCRIPT ONE}\N{SUBSCRIPT ZERO} period", "d")
    caption = "" if period else f"The period is 1 / {found}."
    plane = _period_planes(known, found, axis, log_period, caption)
    return Offer(tuple(p for name in heights[:2] for p in plane(name)))


def _period_planes(
    known: Known, period: str, axis: Axis, log_period: Number, caption: str
) -> Callable[[str], list[Plane]]:
    def made(name: str) -> list[Plane]:
        y = _axis(known[name])
        log_y = Axis(f"log\N{SUBSCRIPT ONE}\N{SUBSCRIPT ZERO} {y.label}", y.unit)
        needs = (period, name)
        return [
            Plane(f"period {name}", f"log P, {y.label}", axis, y, needs,
                  lambda v: (log_period(v), v[name]), caption),
            Plane(f"period log {name}", f"log P, log {y.label}", axis, log_y, needs,
                  lambda v: (log_period(v), _log(v[name])), caption),
        ]  # fmt: skip

    return made


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log10(np.where(values > 0, values, np.nan)), np.float64)


def _none_of(names: Sequence[str]) -> str:
    return "this catalog has no " + " and no ".join(names)
