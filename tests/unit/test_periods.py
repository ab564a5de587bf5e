"""Frequencies: found, judged, offered halved and doubled, flagged where the scan makes them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.timeseries import LombScargle

from latent_core.surveys.periods import HIGHEST, LOWEST, candidates, find_frequency
from latent_core.surveys.spurious import BRIGHT, FAINT, is_spurious


def curve(frequency=1.7, amplitude=0.1, size=40, seed=0, second=0.0):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(1700, 2700, size))
    error = rng.uniform(0.02, 0.05, size)
    angle = 2 * np.pi * frequency * time
    mag = 14 + amplitude * np.sin(angle) + second * np.sin(2 * angle)
    return time, mag + error * rng.standard_normal(size), error


@pytest.mark.parametrize("frequency", [0.004, 0.37, 4.9, 23.7])
def test_a_frequency_is_found_up_to_its_width(frequency):
    found = find_frequency(*curve(frequency, 0.3))
    assert abs(found.frequency - frequency) < 0.2 / 1000
    assert found.power > 0.9


@pytest.mark.parametrize("amplitude", [0.0, 0.04, 0.06, 0.3])
def test_power_and_false_alarm_are_astropys(amplitude):
    time, mag, error = curve(amplitude=amplitude)
    found = find_frequency(time, mag, error)
    theirs = LombScargle(time, mag, error)
    assert found.power == pytest.approx(float(theirs.power(found.frequency)), abs=1e-9)
    fap = theirs.false_alarm_probability(
        found.power, method="baluev", maximum_frequency=HIGHEST, minimum_frequency=LOWEST
    )
    assert found.log10_fap == pytest.approx(math.log10(fap), abs=1e-3)


def test_false_alarm_of_a_perfect_curve_is_a_finite_logarithm():
    time, _, error = curve(size=180)
    found = find_frequency(time, 14 + np.sin(2 * np.pi * 1.7 * time), error)
    assert -4000 < found.log10_fap < -300  # no float holds the probability itself


def test_no_curve_has_no_frequency():
    time, mag, error = curve()
    for given in ((time[:4], mag[:4], error[:4]), (time, np.full_like(mag, 3.0), error)):
        assert all(math.isnan(x) for x in find_frequency(*given))
        assert candidates(*given, 1.0) == ()


def test_half_and_double_are_offered_with_their_power():
    time, mag, error = curve(0.6, 0.02, 80, second=0.4)
    found = find_frequency(time, mag, error)
    own, half, double = candidates(time, mag, error, found.frequency)
    assert own.frequency == found.frequency == pytest.approx(1.2, abs=2e-4)
    assert own.power == pytest.approx(found.power, abs=1e-12)
    assert (half.frequency, double.frequency) == (own.frequency / 2, own.frequency * 2)
    assert own.power > max(half.power, double.power)
    assert own.log10_fap < min(half.log10_fap, double.log10_fap)
    low = candidates(time, mag, error, LOWEST)
    assert [c.frequency for c in low] == [LOWEST, 2 * LOWEST]


def test_windows_ascend_and_are_those_of_the_reference():
    assert (len(BRIGHT), len(FAINT)) == (20, 21)
    for windows in (BRIGHT, FAINT):
        assert (np.diff(windows.ravel()) > 0).all()


def test_flags_depend_on_magnitude():
    log_frequency = np.array([-2.285, -2.285, -1.532, -1.532, 1.1, 1.1, 0.0, np.nan])
    g = np.array([14.9, 15.0, 14.9, 15.0, 9.0, np.nan, 9.0, 9.0])
    assert is_spurious(10**log_frequency, g).tolist() == [
        False, True, True, False, True, True, False, False,
    ]  # fmt: skip
    assert is_spurious(np.array([-2.285, -1.532]), np.full(2, np.nan)).tolist() == [False, False]
    assert is_spurious(10.0 ** np.array([-2.285, -1.532]), np.full(2, np.nan)).all()


def test_edges_of_windows_are_inside():
    inside = 10 ** BRIGHT.mean(axis=1)
    assert is_spurious(inside, np.full(len(inside), 12.0)).all()
    outside = 10 ** (BRIGHT[:, 0] - 1e-4)
    assert not is_spurious(outside, np.full(len(outside), 12.0)).any()
