"""Gaia's scanning law: its geometry, and what follows for the transits of a source."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from latent_core.surveys.simulated.cadence import kept_share, transit_times
from latent_core.surveys.simulated.scanning_law import (
    FIELDS_APART_D,
    REVOLUTION_D,
    START_D,
    STOP_D,
    ecliptic,
    law,
    scan,
    spin_axis,
    sun_longitude,
)
from latent_core.surveys.simulated.sky import healpix, healpix_centre

NOMINAL = np.arange(1730.0, STOP_D, 0.1)


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.degrees(np.arccos(np.clip((a * b).sum(axis=1), -1, 1))))


def sphere(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def test_a_revolution_takes_six_hours() -> None:
    assert pytest.approx(6.0039, abs=2e-4) == 24 * REVOLUTION_D
    assert pytest.approx(0.07401, abs=1e-5) == FIELDS_APART_D
    assert pytest.approx(0.17616, abs=1e-5) == REVOLUTION_D - FIELDS_APART_D


def test_the_sun_is_where_the_almanac_has_it() -> None:
    # March equinox 2015-03-20 22:45 UT: longitude of date 0, of J2000 less 15.2 a of precession
    day = 1904.948
    longitude = np.degrees(sun_longitude(np.array([day])))[0]
    assert (longitude + 50.29 / 3600 * 15.2 + 180) % 360 - 180 == pytest.approx(0.0, abs=0.02)


def test_the_axis_keeps_its_distance_from_the_sun() -> None:
    time = np.arange(START_D, STOP_D, 0.25)
    longitude = sun_longitude(time)
    sun = np.column_stack([np.cos(longitude), np.sin(longitude), np.zeros_like(time)])
    assert np.allclose(angle(spin_axis(time), sun), 45.0, atol=1e-6)


def test_the_axis_moves_at_constant_speed_and_precesses_58_times_in_ten_years() -> None:
    axis, longitude = spin_axis(NOMINAL), sun_longitude(NOMINAL)
    speed = np.linalg.norm(np.diff(axis, axis=0), axis=1) / np.diff(longitude)
    assert np.allclose(speed, 4.2207, rtol=2e-3)
    # the axis passes the ecliptic northwards once a precession
    north = np.sum((axis[:-1, 2] < 0) & (axis[1:, 2] >= 0))
    assert north / ((NOMINAL[-1] - NOMINAL[0]) / 365.25) == pytest.approx(5.8, abs=0.4)


def test_ecliptic_poles_are_scanned_in_the_first_month() -> None:
    axis = spin_axis(np.arange(START_D, 1694.0, 0.25))
    assert np.allclose(axis[:, 2], 0.0, atol=1e-9)


def test_two_fields_follow_each_other_by_106_degrees() -> None:
    source = ecliptic(*sphere(300, 1))
    owner, time, field = scan(source)
    order = np.lexsort((time, owner))
    owner, time, field = owner[order], time[order], field[order]
    gap = np.where(np.diff(owner) == 0, np.diff(time), np.inf)
    pair = np.abs(gap - FIELDS_APART_D) < 0.001
    assert np.mean(pair) > 0.3
    assert (field[:-1][pair] == 0).all()
    assert (field[1:][pair] == 1).all()
    rest = np.abs(gap - (REVOLUTION_D - FIELDS_APART_D)) < 0.001
    assert (field[:-1][rest] == 1).all()
    assert (field[1:][rest] == 0).all()
    restarted = (time[:-1] > 2595.0) & (time[:-1] < 2596.0)  # the spin, by 83 deg
    assert not np.any(gap[~restarted] < 0.0739)


def test_a_source_is_near_the_scanned_circle_when_it_is_seen() -> None:
    source = ecliptic(*sphere(300, 2))
    owner, time, _ = scan(source)
    order = np.argsort(time)
    height = 90.0 - angle(spin_axis(time[order]), source[owner[order]])
    usual = time[order] > 1730.0
    # 0.35 deg half height, 221 arcsec of offset; the rest is light time and interpolation
    assert np.abs(height[usual]).max() < 0.35 + 221 / 3600 + 0.02


def test_the_axis_does_not_depend_on_the_steps_of_time() -> None:
    table = law()
    usual = table.time[:-1] > 1735.0
    fine = np.arange(1735.0, STOP_D, 0.05)
    dense = spin_axis(fine)
    middle = table.time[:-1][usual] + 0.5 * REVOLUTION_D
    there = np.column_stack([np.interp(middle, fine, dense[:, i]) for i in range(3)])
    there /= np.linalg.norm(there, axis=1, keepdims=True)
    assert angle(there, table.z[:-1][usual])[middle < fine[-1]].max() < 0.01


def test_transits_are_most_at_45_degrees_from_the_ecliptic() -> None:
    ra, dec = sphere(4000, 3)
    source = ecliptic(ra, dec)
    count = np.bincount(scan(source)[0], minlength=4000)
    latitude = np.abs(np.degrees(np.arcsin(source[:, 2])))
    edges = np.array([0, 15, 30, 40, 50, 65, 90.0])
    bands = itertools.pairwise(edges)
    mean = [count[(latitude >= a) & (latitude < b)].mean() for a, b in bands]
    assert int(np.argmax(mean)) == 3
    assert mean[3] > 1.3 * mean[0]
    assert mean[0] < mean[1] < mean[2] < mean[3] > mean[4] > mean[5]


def test_a_position_is_seen_at_the_same_dates_whoever_asks() -> None:
    ra, dec = sphere(5, 4)
    alone = scan(ecliptic(ra[3:4], dec[3:4]))[1]
    owner, time, _ = scan(ecliptic(ra, dec))
    assert np.allclose(np.sort(time[owner == 3]), np.sort(alone))


def test_gaps_lose_transits_and_the_rest_of_the_time_a_twelfth() -> None:
    # decontamination of 23 September 2014 and of 22 August 2016
    assert (kept_share(np.array([1727.0, 1728.0, 2426.0])) < 0.1).all()
    assert kept_share(np.array([2000.0]))[0] == pytest.approx(0.92, abs=0.02)
    ra, dec = sphere(500, 5)
    time, real = transit_times(ra, dec, np.random.default_rng(0))
    idle = (time > 2425.2) & (time < 2426.9)
    assert np.mean(idle[real]) < 2e-4
    all_ = len(scan(ecliptic(ra, dec))[0])
    assert real.sum() / all_ == pytest.approx(0.91, abs=0.015)


def test_healpix_centres_lie_in_their_pixels() -> None:
    for order in (0, 3, 12):
        pixels = np.random.default_rng(order).integers(0, 12 * 4**order, 5000)
        assert np.array_equal(healpix(*healpix_centre(pixels, order), order), pixels)
