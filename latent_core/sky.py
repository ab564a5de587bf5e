"""The sky in galactic coordinates on one flat picture of equal areas (Hammer-Aitoff).

Galactic longitude 0 is in the middle and grows to the left, as seen from inside the sphere.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
# half axes of the ellipse that holds the whole sky, in radians of the projection
HALF_WIDTH, HALF_HEIGHT = 2 * math.sqrt(2), math.sqrt(2)
EXTENT = (-HALF_WIDTH, HALF_WIDTH, -HALF_HEIGHT, HALF_HEIGHT)
STEP = 30  # degrees between two lines of the graticule


@lru_cache
def galactic_rotation() -> Floats:
    """Return the matrix that turns ICRS unit vectors into galactic ones, (3, 3), from astropy."""
    from astropy.coordinates import ICRS, CartesianRepresentation, Galactic, SkyCoord

    axes = SkyCoord(CartesianRepresentation(*np.eye(3)), frame=ICRS())
    return np.asarray(axes.transform_to(Galactic()).cartesian.xyz.value, np.float64)


def galactic(ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
    """Turn ICRS degrees into galactic l, b in radians, (N,) each; l within -pi..pi."""
    a, d = np.radians(np.asarray(ra, np.float64)), np.radians(np.asarray(dec, np.float64))
    towards = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    x, y, z = galactic_rotation() @ towards
    return np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))


def hammer(longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
    """Project radians to x, y of EXTENT, (N,) each; longitudes grow to the left.

    Calabretta & Greisen 2002, A&A 395, 1077, section 5.3.4, without their factor 180/pi.
    """
    half = _halved(np.asarray(longitude, np.float64))
    b = np.asarray(latitude, np.float64)
    gamma = np.sqrt(2 / (1 + np.cos(b) * np.cos(half)))
    return -2 * gamma * np.cos(b) * np.sin(half), gamma * np.sin(b)


def _halved(longitude: Floats) -> Floats:
    """Return half of each longitude, brought to -pi..pi before; +pi stays on its side."""
    turns = np.ceil((longitude - np.pi) / (2 * np.pi))
    return (longitude - 2 * np.pi * turns) / 2


def graticule() -> tuple[list[list[float]], list[list[float]]]:
    """Return lines of l and b every STEP degrees, the limb among them: lists of x, of y."""
    lines = []
    along = np.linspace(-np.pi / 2, np.pi / 2, 61)
    for degrees in [-180 + 1e-9, *range(-180 + STEP, 180, STEP), 180]:
        lines.append(hammer(np.full(len(along), np.radians(degrees)), along))
    around = np.radians(np.linspace(-180 + 1e-9, 180, 121))
    for degrees in range(-90 + STEP, 90, STEP):
        lines.append(hammer(around, np.full(len(around), np.radians(degrees))))
    return [x.tolist() for x, _ in lines], [y.tolist() for _, y in lines]


def graticule_labels() -> tuple[list[float], list[float], list[str]]:
    """Return x, y and text of the names of some lines: l along the plane, b along the limb."""
    longitudes, latitudes = (120, 60, 0, 300, 240), (60, 30, -30, -60)
    x, y = hammer(np.radians(longitudes), np.zeros(len(longitudes)))
    u, v = hammer(np.full(len(latitudes), np.pi), np.radians(latitudes))
    names = [f"{d}°" for d in longitudes] + [f"{d:+d}°" for d in latitudes]
    texts = [name.replace("-", "\N{MINUS SIGN}") for name in names]
    return [*x.tolist(), *u.tolist()], [*y.tolist(), *v.tolist()], texts
