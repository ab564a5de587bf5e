"""The benchmark's eye: it sees our map's new pictures, and none where nothing moved."""

import os
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import screen_probe
from devtools import chromium

pytestmark = pytest.mark.browser
TRIANGLE = np.array([[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]])


@pytest.fixture(scope="module")
def watcher():
    with chromium() as started:
        yield started
        assert not started.wrong


def test_wheel_pan_and_lasso_each_bring_a_picture(watcher, server):
    with closing(screen_probe.Screen(watcher, server, os.getpid())) as screen:
        screen.fit()
        assert (round(screen.box["width"]), round(screen.box["height"])) == (900, 700)
        steps = [screen.wheel(-100, (0.5, 0.5)), screen.pan(60, 60)]
        screen.page.press("Lasso")
        steps.append(screen.lasso(TRIANGLE))
        for step in steps:
            assert 0 < step.first <= step.last < 1e3 * screen_probe.PATIENCE_S
            assert step.cpu > 0
        assert steps[-1].text > 0


def test_no_picture_is_no_step(watcher, server, monkeypatch):
    monkeypatch.setattr(screen_probe, "PATIENCE_S", 2.0)
    with closing(screen_probe.Screen(watcher, server, os.getpid())) as screen:
        screen.rest()
        cpu = screen._forget()
        with pytest.raises(screen_probe.NoPictureError):
            screen._step(cpu, "input")
