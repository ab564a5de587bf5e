"""The live picture: one at a time, the latest view wins, what nobody waits for is not sent."""

import threading
import time

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.models import Range1d
from bokeh.plotting import figure

from dashboard import picture
from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes
from dashboard.picture import LivePicture, home
from dashboard.raster import class_layers, draw
from latent_core.catalog import Column
from latent_core.projection import sort_for_drawing

RNG = np.random.default_rng(8)
N = 20_000
CODES = RNG.integers(0, 3, N).astype(np.int8)
DRAWING = sort_for_drawing(RNG.normal(0, 1, (N, 2)).astype(np.float32))
CLASSES = Classes(Column("c"), ("a", "b", "c"), CODES, np.bincount(CODES))


class Browser:
    """A session whose clock we turn by hand: what was scheduled runs when `ticks` is called."""

    def __init__(self, **changed):
        self.hidden = np.zeros(N, bool)
        self.shown, self.rested = [], []
        box = home(DRAWING.extent)
        self.plot = figure(x_range=Range1d(*box[:2]), y_range=Range1d(*box[2:]), **changed)
        self.live = LivePicture(
            self.plot,
            self.subject,
            lambda found, view: self.shown.append((found, view)),
            self.rested.append,
            size=(200, 160),
        )
        self.live.draw_now()
        self.document = Document()
        self.document.add_root(self.plot)
        self.session = object()
        self.document._session_context = lambda: self.session
        self.shown.clear()
        self.rested.clear()

    def subject(self):
        shown = Bitmap.from_mask(~self.hidden)
        return DRAWING, class_layers(DRAWING, CLASSES, CODES[DRAWING.order], shown, None)

    def ticks(self, seconds=5.0):
        """Run next ticks until a picture is on its way or nothing is under way."""
        before, end = len(self.shown), time.monotonic() + seconds
        while time.monotonic() < end and len(self.shown) == before and self.live._drawing:
            for callback in list(self.document.session_callbacks):
                if type(callback).__name__ == "NextTickCallback":
                    self.document.remove_next_tick_callback(callback)
                    callback.callback()
                elif getattr(callback, "timeout", None) == picture.TOGETHER_MS:
                    self.document.remove_timeout_callback(callback)
                    callback.callback()
            time.sleep(0.002)

    def move(self, shift):
        box = home(DRAWING.extent)
        self.plot.x_range.update(start=box[0] + shift, end=box[1] + shift)

    def paints(self):
        """Acknowledge the frame that was sent last."""
        source = self.document.get_model_by_name("painted") or self.live._painted
        source.tags = [self.live.source.data["frame"][0]]

    def image(self):
        return self.live.source.data["image"][0]


@pytest.fixture
def browser(monkeypatch):
    monkeypatch.setattr(picture, "SLOW_S", np.inf)  # the first picture of all is compiled
    return Browser()


@pytest.fixture
def crowded(monkeypatch):
    monkeypatch.setattr(picture, "SLOW_S", 0.0)
    return Browser()


def test_few_points_are_drawn_exactly_at_once(browser):
    browser.move(0.5)
    browser.ticks()
    assert len(browser.shown) == 1
    expected = draw(*browser.subject(), browser.live.view())
    assert np.array_equal(browser.image(), expected.rgba)
    assert not browser.rested
    browser.paints()
    assert [view.x0 for view in browser.rested] == [browser.plot.x_range.start]


def test_many_points_are_sketched_first_and_exact_once_painted(crowded):
    crowded.move(0.5)
    crowded.ticks()
    assert crowded.image().shape == (80, 100)
    crowded.paints()
    assert not crowded.rested
    crowded.ticks()
    assert np.array_equal(crowded.image(), draw(*crowded.subject(), crowded.live.view()).rgba)
    crowded.paints()
    assert len(crowded.rested) == 1


def test_requests_before_the_acknowledgement_become_one_of_the_latest_view(browser):
    browser.move(0.1)
    browser.ticks()
    for shift in (0.2, 0.3, 0.4):
        browser.move(shift)
    browser.ticks(0.05)
    assert len(browser.shown) == 1  # one frame in flight
    browser.paints()
    browser.ticks()
    assert len(browser.shown) == 2
    assert browser.shown[1][1].x0 == browser.plot.x_range.start


def test_x_and_y_that_come_one_after_the_other_are_one_picture(browser):
    browser.move(0.3)
    (together,) = browser.document.session_callbacks
    assert together.timeout == picture.TOGETHER_MS
    browser.plot.y_range.update(start=-2.0, end=1.0)
    browser.ticks()
    browser.paints()
    assert [(view.x0, view.y0) for _, view in browser.shown] == [(browser.plot.x_range.start, -2)]
    assert len(browser.rested) == 1


@pytest.fixture
def slow(monkeypatch):
    """Hold each exact picture back until it is let go: (it started, let it go)."""
    started, go = threading.Event(), threading.Event()

    def held(*given):
        started.set()
        assert go.wait(10)
        return draw(*given)

    monkeypatch.setattr(picture, "draw", held)
    return started, go


def test_a_refined_picture_that_was_overtaken_is_never_sent(crowded, slow):
    started, go = slow
    crowded.move(0.1)
    crowded.ticks()
    crowded.paints()
    assert started.wait(5)
    crowded.move(0.7)
    go.set()
    crowded.ticks()
    assert [found.in_view for found, _ in crowded.shown] == [None, None]  # sketches
    assert crowded.shown[-1][1].x0 == crowded.plot.x_range.start


def test_a_hand_that_never_rests_sees_pictures_all_the_same(browser, slow):
    started, go = slow
    browser.move(0.1)
    browser.ticks(0.05)  # the work starts
    assert started.wait(5)
    browser.move(0.7)
    go.set()
    browser.ticks()
    assert len(browser.shown) == 1
    browser.paints()
    browser.ticks()
    assert browser.shown[-1][1].x0 == browser.plot.x_range.start


def test_a_picture_of_old_colours_is_never_sent(crowded):
    crowded.move(0.1)
    crowded.hidden = CODES == 0
    crowded.live.request(changed=True)
    crowded.ticks()
    assert len(crowded.shown) == 1
    found, _ = crowded.shown[0]
    assert found.in_view is not None  # what was asked for by a click comes exact at once
    assert np.array_equal(crowded.image(), draw(*crowded.subject(), crowded.live.view()).rgba)


def test_nonsense_from_the_browser_keeps_the_picture(browser):
    before = browser.image()
    browser.plot.x_range.start = float("nan")
    browser.ticks()
    assert browser.image() is before
    browser.move(0.3)
    browser.ticks()
    assert len(browser.shown) == 1


def test_a_frame_that_is_never_acknowledged_does_not_stop_the_next(browser):
    browser.move(0.1)
    browser.ticks()
    browser.move(0.2)
    (lost,) = [c for c in browser.document.session_callbacks if c.timeout == picture.PATIENCE_MS]
    lost.callback()
    browser.ticks()
    assert len(browser.shown) == 2


def test_a_late_acknowledgement_of_an_older_frame_counts_for_nothing(browser):
    browser.move(0.1)
    browser.ticks()
    browser.live._painted.tags = [-3]
    assert not browser.rested
    browser.paints()
    assert len(browser.rested) == 1
