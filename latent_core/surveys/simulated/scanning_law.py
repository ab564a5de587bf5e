"""Gaia's nominal scanning law with its real phases: which source is seen when, by which field.

The spin axis stays 45 deg from the Sun and moves round it 5.8 times a year, at constant speed on
the sky, while the satellite turns at 59.9605 arcsec/s (Gaia Collaboration, Prusti et al. 2016,
A&A 595, A1, section 5.2; Lindegren & Bastian 2011, EAS Publ. Ser. 45, 109). A source crosses the
preceding field of view, then, 106.5 deg later, the following one; each is 0.7 deg high.

The law's free phases were fitted to the transits of 1,979 real sources, after which every one of
their 105,381 transits falls within 0.42 deg of the scanned circle and its spin phase agrees within
0.5 deg: the simulated dates, to half a minute, are Gaia's own. DR3 has four stretches: a month of
ecliptic pole scanning, two orientations of the nominal law, and one restart of the spin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SPIN_ARCSEC_S, FIELDS_APART_DEG, SUN_ASPECT_DEG = 59.9605, 106.5, 45.0
REVOLUTION_D = 1296000.0 / SPIN_ARCSEC_S / 86400.0
FIELDS_APART_D = REVOLUTION_D * FIELDS_APART_DEG / 360.0
AXIS_SPEED = 4.220745  # of the axis, relative to the Sun's: |dz / d(longitude)|
# DR3: 2014-07-25 10:30 to 2017-05-28 08:44, in d since 2010.0 (JD 2455197.5)
START_D, STOP_D = 1666.44, 2704.37
HALF_HEIGHT_DEG = 0.35
# height of the preceding and the following field of view above the scanned circle
FIELD_HEIGHT_DEG = (-221.0 / 3600.0, 221.0 / 3600.0)
_GRID_START_D = 1666.0
# Fitted: (from day, to day, day of reference, precession angle there in deg)
_POLE_SCANNING_END_D = 1694.9
_PRECESSION = ((1694.9, 1726.5, 1700.0, 206.910), (1726.5, np.inf, 2185.0, 228.515))
# Fitted: (from day, spin angle in deg at the beginning of each revolution of the grid)
_SPIN_PHASE = ((0.0, 141.05), (1726.5, 226.05), (2595.2, 143.51))
# how far the axis moves in half a revolution, where the Sun is fastest (1.7 % in January)
_FURTHEST = 0.5 * AXIS_SPEED * 1.035 * 2.0 * np.pi / 365.25 * REVOLUTION_D
_OBLIQUITY = np.radians(23.4392911)
_J2000_D, _YEAR_D = -3652.5, 365.25
_LIGHT_TIME_D = 499.005 * 1.01 / 86400.0  # from the Sun to Gaia, 1 % beyond the Earth


@dataclass(frozen=True)
class Law:
    """K revolutions: `time` of their begin [d], axis `z` in their middle, its `step`, and `x`.

    `z`, `x`, `y` (K, 3) are unit vectors in ecliptic axes; `step` (K, 3) is the axis's motion
    during the revolution; `x` does not turn about the axis; `phase` (K,) is the spin angle at the
    begin, in turns from `x` to the direction of the preceding field of view.
    """

    time: Floats
    z: Floats
    step: Floats
    x: Floats
    y: Floats
    phase: Floats


def sun_longitude(time: Floats) -> Floats:
    """Ecliptic longitude (J2000) of the Sun in radians at days since 2010.0; good to 0.01 deg.

    Astronomical Almanac, section C, low-precision formula, less the precession in longitude.
    """
    day = time - _J2000_D
    anomaly = np.radians(357.528 + 0.9856003 * day)
    true = 280.460 + 0.9856474 * day + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)
    return np.asarray(np.radians(true - 50.29 / 3600.0 * day / _YEAR_D))


def ecliptic(ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Unit vectors (N, 3) in ecliptic axes of ICRS positions in degrees."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    x, y, z = np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)
    c, s = np.cos(_OBLIQUITY), np.sin(_OBLIQUITY)
    return np.column_stack([x, c * y + s * z, c * z - s * y])


def spin_axis(time: Floats) -> Floats:
    """Directions (K, 3) of the spin axis at rising times (K,) at most a day apart."""
    longitude = sun_longitude(time)
    angle = np.full(len(time), np.pi)  # pole scanning: the axis trails the Sun in the ecliptic
    for begin, end, reference, degrees in _PRECESSION:
        rows = np.flatnonzero((time >= begin) & (time < end))
        if len(rows):
            angle[rows] = _precession(time[rows], longitude[rows], reference, np.radians(degrees))
    zero = np.zeros_like(longitude)
    to_sun = np.column_stack([np.cos(longitude), np.sin(longitude), zero])
    across = np.column_stack([-np.sin(longitude), np.cos(longitude), zero])
    north = np.array([0.0, 0.0, 1.0])
    tilt = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * north
    aspect = np.radians(SUN_ASPECT_DEG)
    return np.asarray(np.cos(aspect) * to_sun + np.sin(aspect) * tilt)


def _precession(time: Floats, longitude: Floats, reference: float, there: float) -> Floats:
    """Precession angles at constant speed of the axis, through one angle at the reference."""
    angle = np.empty(len(time))
    first = int(np.clip(np.searchsorted(time, reference), 0, len(time) - 1))
    # the reference lies inside a revolution of the grid: start there, exactly
    sun = float(sun_longitude(np.array([reference]))[0])
    angle[first] = _advance(there, longitude[first] - sun)
    for k in range(first + 1, len(time)):
        angle[k] = _advance(angle[k - 1], longitude[k] - longitude[k - 1])
    for k in range(first - 1, -1, -1):
        angle[k] = _advance(angle[k + 1], longitude[k] - longitude[k + 1])
    return angle


def _advance(angle: float, step: float) -> float:
    """One Runge-Kutta step of d(angle)/d(longitude); Lindegren & Bastian 2011, section 4."""
    aspect = math.radians(SUN_ASPECT_DEG)

    def slope(a: float) -> float:
        root = math.sqrt(AXIS_SPEED**2 - math.cos(a) ** 2)
        return (root + math.cos(aspect) * math.sin(a)) / math.sin(aspect)

    first = slope(angle)
    second = slope(angle + 0.5 * step * first)
    third = slope(angle + 0.5 * step * second)
    last = slope(angle + step * third)
    return angle + step * (first + 2.0 * second + 2.0 * third + last) / 6.0


@lru_cache
def law() -> Law:
    """Every revolution of DR3."""
    time = np.arange(_GRID_START_D, STOP_D + REVOLUTION_D, REVOLUTION_D)
    ends = spin_axis(time)
    x = np.empty_like(ends)
    x[0] = np.cross([0.0, 1.0, 0.0], ends[0])
    x[0] /= np.linalg.norm(x[0])
    for k in range(1, len(ends)):
        moved = x[k - 1] - (x[k - 1] @ ends[k]) * ends[k]
        x[k] = moved / np.linalg.norm(moved)
    begin = time[:-1]
    middle, forward = _unit(ends[1:] + ends[:-1]), _unit(x[1:] + x[:-1])
    days = np.array([day for day, _ in _SPIN_PHASE])
    degrees = np.array([phase for _, phase in _SPIN_PHASE])
    phase = degrees[np.searchsorted(days, begin, side="right") - 1] / 360.0
    return Law(begin, middle, np.diff(ends, axis=0), forward, np.cross(middle, forward), phase)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def scan(source: Floats) -> tuple[Ints, Floats, Ints]:
    """Return every transit of sources (N, 3): whose, when, through which field (0 goes first).

    Times are barycentric, in d since 2010.0; each array is (M,), sorted by field only.
    """
    table = law()
    limit = np.sin(np.radians(HALF_HEIGHT_DEG + FIELD_HEIGHT_DEG[1])) + _FURTHEST
    height = source.astype(np.float32) @ table.z.T.astype(np.float32)
    near = np.flatnonzero(np.abs(height, out=height).ravel() < limit)
    row, turn = np.divmod(near, len(table.time))
    vector = source[row]
    middle = _dot(vector, table.z[turn])
    slope = _dot(vector, table.step[turn])
    place = np.arctan2(_dot(vector, table.y[turn]), _dot(vector, table.x[turn])) / (2.0 * np.pi)
    found = []
    for field, up in enumerate(FIELD_HEIGHT_DEG):
        part = (place - table.phase[turn] + field * FIELDS_APART_DEG / 360.0) % 1.0
        above = np.degrees(middle + (part - 0.5) * slope) - up
        seen = np.flatnonzero(np.abs(above) < HALF_HEIGHT_DEG)
        seen = seen[~_seen_again(near[seen], part[seen])]
        time = table.time[turn[seen]] + REVOLUTION_D * part[seen]
        time = time + _light_time(time, vector[seen])
        found.append((row[seen], time, np.full(len(seen), field, np.int64)))
    owner, time, fields = (np.concatenate(part) for part in zip(*found, strict=True))
    inside = (time >= START_D) & (time <= STOP_D)
    return owner[inside], time[inside], fields[inside]


def _seen_again(near: Ints, part: Floats) -> NDArray[np.bool_]:
    """Tell transits at the very end of a revolution that the next one begins with."""
    edge = 2e-4  # of a revolution; the two agree within 0.01 deg = 3e-5
    return (part > 1.0 - edge) & np.isin(near + 1, near[part < edge])


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("ni,ni->n", a, b))


def _light_time(time: Floats, source: Floats) -> Floats:
    """Days by which light reaches the barycentre later than Gaia (Roemer delay)."""
    longitude = sun_longitude(time)
    away = np.cos(longitude) * source[:, 0] + np.sin(longitude) * source[:, 1]
    return np.asarray(-_LIGHT_TIME_D * away)
