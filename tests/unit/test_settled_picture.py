"""The exact picture equals one made without any of the short cuts, pixel by pixel."""

import datashader as ds
import numpy as np
import pandas as pd
import pytest

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes, Numbers, ramp
from dashboard.kernels import count_points, mean_of_points, pixels_of
from dashboard.raster import (
    ALPHA_FLOORS,
    CROWDINGS,
    LONELY_RADIUS,
    MISSING_RGB,
    RADII,
    View,
    class_layers,
    draw,
    number_layers,
    sketch,
)
from dashboard.shading import GREY_ALPHA, UNSELECTED_RGB, spread
from dashboard.theme import palette
from latent_core.catalog import Column
from latent_core.projection import sort_for_drawing

RNG = np.random.default_rng(3)
N, K = 40_000, 7
WIDTHS = RNG.choice([0.02, 0.4, 3.0], N)
PLACES = (RNG.uniform(-4, 4, (5, 2))[RNG.integers(0, 5, N)]).astype(np.float32)
PLACES += (WIDTHS[:, None] * RNG.standard_normal((N, 2))).astype(np.float32)
CODES = (RNG.integers(0, K, N) * (PLACES[:, 0] > 0)).astype(np.int8)
VALUES = np.where(CODES == 3, np.nan, PLACES[:, 1]).astype(np.float32)
DRAWING = sort_for_drawing(PLACES)
CLASSES = Classes(Column("c"), tuple("abcdefg"), CODES, np.bincount(CODES, minlength=K))
EVERYTHING = np.ones(N, bool)
SELECTED = PLACES[:, 1] > -0.5
VIEWS = (View(-12, 12, -12, 12, 150, 130), View(-1.5, 3.25, -2, 1, 120, 90))
MASKS = {
    "all": (EVERYTHING, None),
    "selected": (EVERYTHING, SELECTED),
    "hidden": (CODES != 0, None),
    "both": (CODES != 0, SELECTED),
}


ALL = Bitmap.all(N)


def bits(masks):
    return tuple(None if mask is None else Bitmap.from_mask(mask) for mask in MASKS[masks])


def planes_of(view, masks):
    """Count per pixel and class with numpy; the last plane holds what is not selected."""
    shown, selected = masks
    x, y = PLACES.T.astype(np.float64)
    across, up = view.width / (view.x1 - view.x0), view.height / (view.y1 - view.y0)
    inside = (x >= view.x0) & (x <= view.x1) & (y >= view.y0) & (y <= view.y1) & shown
    columns = np.minimum((x * across - view.x0 * across).astype(int), view.width - 1)
    rows = np.minimum((y * up - view.y0 * up).astype(int), view.height - 1)
    layer = CODES.astype(int) if selected is None else np.where(selected, CODES, K)
    planes = np.zeros((view.height, view.width, K + 1), int)
    np.add.at(planes, (rows[inside], columns[inside], layer[inside]), 1)
    return planes, (rows, columns, inside if selected is None else inside & selected)


def crowded(filled):
    about = [
        filled[1 + dy : filled.shape[0] - 1 + dy, 1 + dx : filled.shape[1] - 1 + dx]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    ]
    middle = filled[1:-1, 1:-1]
    return (sum(a[middle].sum() for a in about) - middle.sum()) / max(1, 8 * middle.sum())


def grown(rgba, radius, grey_radius):
    """Lay a disc about each pixel, one by one, the highest packed colour on top."""
    result = rgba.copy()
    height, width = rgba.shape
    for i, j in zip(*np.nonzero(rgba), strict=True):
        alpha = int(rgba[i, j]) >> 24
        near = rgba[max(0, i - 2) : i + 3, max(0, j - 2) : j + 3]
        own = radius if alpha > GREY_ALPHA else grey_radius
        if alpha > GREY_ALPHA and np.count_nonzero(near) == 1:
            own = max(own, LONELY_RADIUS)
        for y in range(max(0, i - 3), min(height, i + 4)):
            for x in range(max(0, j - 3), min(width, j + 4)):
                cover = round(256 * min(1, max(0, own + 0.5 - np.hypot(y - i, x - j))))
                if cover and own > 0.5 and int(rgba[y, x]) >> 24 <= GREY_ALPHA:
                    faded = (int(rgba[i, j]) & 0xFFFFFF) | ((alpha * cover) >> 8) << 24
                    result[y, x] = max(int(result[y, x]), faded)
    return result


def pack(rgb, alpha):
    r, g, b = (int(v) for v in rgb)
    return r | g << 8 | b << 16 | int(alpha) << 24


def settled(view, masks, colour_of):
    """Draw without grid, sorting or SIMD; `colour_of(pixel, counts, alphas)` colours a pixel."""
    planes, _ = planes_of(view, masks)
    total, grey = planes[..., :K].sum(-1), planes[..., K]
    size = crowded(total > 0)
    radius = np.interp(size, CROWDINGS, RADII)
    floor = int(np.interp(size, CROWDINGS, ALPHA_FLOORS))
    counts = np.sort(total[total > 0])
    below = {n: np.searchsorted(counts, n, "right") / len(counts) for n in set(counts.tolist())}
    first = below[counts[0]]
    alphas = {n: int(floor + (255 - floor) * (s - first) / (1 - first)) for n, s in below.items()}
    rgba = np.zeros((view.height, view.width), np.uint32)
    for i, j in zip(*np.nonzero(total + grey), strict=True):
        under = pack(UNSELECTED_RGB, GREY_ALPHA)
        rgba[i, j] = colour_of((i, j), planes[i, j, :K], alphas) if total[i, j] else under
    grey_radius = np.interp(crowded(grey > 0), CROWDINGS, RADII) if grey.any() else 0
    return grown(rgba, radius, grey_radius)


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("view", VIEWS)
def test_classes(view, masks):
    layers = class_layers(DRAWING, CLASSES, CODES[DRAWING.order], *bits(masks))

    def colour(pixel, counts, alphas):
        return pack(CLASSES.colours[np.argmax(counts)], alphas[int(counts.sum())])

    assert np.array_equal(draw(DRAWING, layers, view).rgba, settled(view, MASKS[masks], colour))


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("view", VIEWS)
def test_numbers(view, masks):
    bar, table = ramp(Numbers(Column("v"), VALUES), "linear", (1, 99)), palette("viridis")
    ordered = VALUES[DRAWING.order]
    layers = number_layers(
        DRAWING, ordered, np.isnan(ordered).view(np.int8), bits(masks), bar, table
    )
    _, (rows, columns, drawn) = planes_of(view, MASKS[masks])
    sums, counts = np.zeros((2, view.height, view.width))
    known = drawn & np.isfinite(VALUES)
    order = DRAWING.order[known[DRAWING.order]]  # a sum depends on its order in the last bits
    np.add.at(sums, (rows[order], columns[order]), VALUES[order].astype(np.float64))
    np.add.at(counts, (rows[order], columns[order]), 1)

    def colour(pixel, _, alphas):
        if not counts[pixel]:
            return pack(MISSING_RGB, 255)
        place = bar.place(np.array([sums[pixel] / counts[pixel]]))
        return pack(table[int(np.clip(place, 0, 1)[0] * 255)], 255)

    assert np.array_equal(draw(DRAWING, layers, view).rgba, settled(view, MASKS[masks], colour))


@pytest.mark.parametrize("view", VIEWS)
def test_counts_and_means_are_those_of_datashader(view):
    box = np.array([view.x0, view.x1, view.y0, view.y1])
    one = np.empty(0, np.int32)
    shape = (view.height, view.width)
    pixels = pixels_of(*np.ascontiguousarray(PLACES.T), box, shape, (0, view.height))
    best, total, _ = count_points(pixels, CODES, one, K, *shape)
    counted, _, means = mean_of_points(pixels, CODES, VALUES, one, K, shape)
    layer = pd.Categorical.from_codes(CODES, categories=range(K))
    frame = pd.DataFrame({"x": PLACES[:, 0], "y": PLACES[:, 1], "layer": layer, "v": VALUES})
    canvas = ds.Canvas(view.width, view.height, (view.x0, view.x1), (view.y0, view.y1))
    planes = canvas.points(frame, "x", "y", agg=ds.by("layer", ds.count())).to_numpy()
    assert np.array_equal(total, planes.sum(-1))
    assert np.array_equal(counted, total)
    assert np.array_equal(best, np.where(total > 0, planes.argmax(-1), -1))
    expected = canvas.points(frame, "x", "y", agg=ds.mean("v")).to_numpy()
    assert np.allclose(means, expected, rtol=1e-12, atol=0, equal_nan=True)


@pytest.mark.parametrize("radii", [(2.2, 1.7), (4.4, 0.5), (0.5, 2.9)])
def test_points_grow_as_discs_laid_one_by_one(radii):
    filled = RNG.random((60, 70)) < np.linspace(0, 0.4, 70) ** 2
    alpha = RNG.choice(np.array([GREY_ALPHA, 90, 200, 255], np.uint32), filled.shape)
    colour = RNG.integers(0, 1 << 24, filled.shape).astype(np.uint32) | alpha << np.uint32(24)
    picture = np.where(filled, colour, 0).astype(np.uint32)
    expected = np.zeros_like(picture)
    for i, j in zip(*np.nonzero(picture), strict=True):
        own = radii[0] if alpha[i, j] > GREY_ALPHA else radii[1]
        y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
        cover = np.round(256 * np.clip(own + 0.5 - np.hypot(y - i, x - j), 0, 1)).astype(int)
        faded = (int(picture[i, j]) & 0xFFFFFF) | ((int(alpha[i, j]) * cover) >> 8) << 24
        expected = np.maximum(expected, np.where((cover > 0) & (own > 0.5), faded, 0))
    coloured = picture >> np.uint32(24) > GREY_ALPHA
    expected = np.where(coloured, picture, np.maximum(expected, picture))
    assert np.array_equal(spread(picture, *radii, 0.0), expected)


def test_layers_are_the_shared_arrays_where_nothing_is_left_out():
    codes, values = CODES[DRAWING.order], VALUES[DRAWING.order]
    missing = np.isnan(values).view(np.int8)
    bar, table = ramp(Numbers(Column("v"), VALUES), "linear", (1, 99)), palette("viridis")
    assert class_layers(DRAWING, CLASSES, codes, ALL, None).codes is codes
    drawn = number_layers(DRAWING, values, missing, (ALL, None), bar, table)
    assert drawn.values is values
    assert drawn.codes is missing


def test_a_sketch_keeps_what_is_sparse_and_thins_what_is_crowded(monkeypatch):
    monkeypatch.setattr("dashboard.raster.MOST_SKETCHED", 65_536)  # one a cell, in a whole view
    layers = class_layers(DRAWING, CLASSES, CODES[DRAWING.order], ALL, None)
    view = View(*DRAWING.extent, 75, 65, 0.5)
    exact, coarse = (f(DRAWING, layers, view) for f in (draw, sketch))
    assert coarse.in_view is None
    assert np.array_equal(coarse.rgba > 0, exact.rgba > 0)  # no source vanishes on the way
    colour = np.uint32(0xFFFFFF)
    same = ((exact.rgba & colour) == (coarse.rgba & colour))[exact.rgba > 0].mean()
    assert 0.8 < same < 1
    monkeypatch.setattr("dashboard.raster.MOST_SKETCHED", 10**9)
    assert np.array_equal(sketch(DRAWING, layers, view).rgba, exact.rgba)
