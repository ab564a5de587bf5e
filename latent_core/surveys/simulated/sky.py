"""Where simulated sources stand, and the identifiers that follow from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TO_ICRS = np.array(
    [
        [-0.0548755604, 0.4941094279, -0.8676661490],
        [-0.8734370902, -0.4448296300, -0.1980763734],
        [-0.4838350155, 0.7469822445, 0.4559837762],
    ]
)  # galactic -> ICRS, Hipparcos Catalogue vol. 1, eq. 1.5.11
_SCALE_HEIGHT_PC = np.array([120.0, 700.0])
# Magellanic Clouds: RA, Dec, radius in deg; nearest and farthest source in pc; distance modulus
# (Pietrzynski et al. 2019, Nature 567, 200; Graczyk et al. 2020, ApJ 904, 13) and its depth in mag
CLOUDS = (
    (80.9, -69.8, 2.5, 35_000.0, 58_000.0, 18.477, 0.04),
    (13.2, -72.8, 1.2, 58_000.0, 90_000.0, 18.977, 0.05),
)
THIN, THICK, HALO, COSMIC = range(4)
_DUST = 0.6  # exponent of sin b that gives the median |b| of real quasars, 41 deg
_ORDER = 12
SUFFIX_BITS = 35


def positions(
    part: NDArray[np.int64], distance_pc: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw RA and Dec in degrees, (N,) each.

    Disc stars keep the scale height of their disc, halo stars are isotropic, galaxies avoid the
    dust of the plane, and what is as far as a Magellanic Cloud stands there.
    """
    n = len(part)
    height = _SCALE_HEIGHT_PC[np.minimum(part, 1)] * rng.laplace(size=n)
    sin_b = np.where(part >= HALO, rng.uniform(-1, 1, n), height / distance_pc)
    sin_b = np.where(np.abs(sin_b) > 1, rng.uniform(-1, 1, n), sin_b)
    sin_b = np.where(part == COSMIC, np.sign(sin_b) * np.abs(sin_b) ** _DUST, sin_b)
    centre = np.where(part == COSMIC, 0.0, 0.45) > rng.random(n)
    lon = np.where(centre, rng.normal(0.0, 0.7, n), rng.uniform(0, 2 * np.pi, n))
    cos_b = np.sqrt(1 - sin_b**2)
    vector = np.column_stack([cos_b * np.cos(lon), cos_b * np.sin(lon), sin_b]) @ _TO_ICRS.T
    ra = np.degrees(np.arctan2(vector[:, 1], vector[:, 0])) % 360.0
    dec = np.degrees(np.arcsin(np.clip(vector[:, 2], -1, 1)))
    offset = rng.standard_normal((2, n))
    for (ra0, dec0, radius, *_), inside in zip(CLOUDS, in_clouds(part, distance_pc), strict=True):
        east = radius * offset[0] / np.cos(np.radians(dec0))
        ra = np.where(inside, ra0 + east, ra) % 360.0
        dec = np.where(inside, dec0 + radius * offset[1], dec)
    return ra, dec


def in_clouds(part: NDArray[np.int64], distance_pc: Floats) -> list[NDArray[np.bool_]]:
    """Which sources lie in which of the `CLOUDS`, (N,) each."""
    star = part < COSMIC
    return [star & (distance_pc > near) & (distance_pc <= far) for *_, near, far, _, _ in CLOUDS]


def healpix(ra_deg: Floats, dec_deg: Floats, order: int = _ORDER) -> NDArray[np.int64]:
    """Nested HEALPix numbers, (N,); Gorski et al. 2005, ApJ 622, 759, section 5."""
    side = 1 << order
    z, turn = np.sin(np.radians(dec_deg)), (ra_deg / 90.0) % 4.0
    belt = np.abs(z) <= 2.0 / 3.0
    up = side * (0.5 + turn - 0.75 * z)
    down = side * (0.5 + turn + 0.75 * z)
    fup, fdown = np.floor(up / side).astype(int), np.floor(down / side).astype(int)
    face = np.where(fup == fdown, fup % 4 + 4, np.where(fup < fdown, fup % 4, fdown % 4 + 8))
    x = np.floor(down).astype(np.int64) % side
    y = side - 1 - np.floor(up).astype(np.int64) % side
    quarter = np.minimum(turn.astype(int), 3)
    radius = side * np.sqrt(3.0 * (1.0 - np.abs(z)))
    j = np.minimum((radius * (turn - quarter)).astype(np.int64), side - 1)
    k = np.minimum((radius * (1.0 - (turn - quarter))).astype(np.int64), side - 1)
    north = z > 0
    face = np.where(belt, face, np.where(north, quarter, quarter + 8))
    x = np.where(belt, x, np.where(north, side - 1 - k, j))
    y = np.where(belt, y, np.where(north, side - 1 - j, k))
    return np.asarray(face * side**2 + (_spread(x) | (_spread(y) << 1)), np.int64)


def healpix_centre(pixel: NDArray[np.int64], order: int = _ORDER) -> tuple[Floats, Floats]:
    """RA and Dec in degrees, (N,) each, of nested HEALPix numbers; the inverse of `healpix`."""
    side = 1 << order
    face, inside = pixel >> (2 * order), pixel & (side * side - 1)
    x, y = _gather(inside), _gather(inside >> 1)
    band, column = face // 4, face % 4
    # ring number from the north pole, and how many pixels a quarter of that ring has
    ring = (band + 2) * side - x - y - 1
    polar = (ring < side) | (ring > 3 * side)
    quarter = np.where(polar, np.minimum(ring, 4 * side - ring), side)
    cap = 1.0 - quarter.astype(float) ** 2 / (3.0 * side**2)
    z = np.where(polar, np.where(ring < side, cap, -cap), (2 * side - ring) * 2.0 / (3.0 * side))
    # longitude in quarter turns: faces of the middle band begin an eighth earlier
    turn = column + np.where(band == 1, 0.0, 0.5) + (x - y) / (2.0 * quarter)
    return turn % 4.0 * 90.0, np.degrees(np.arcsin(z))


def _gather(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep every second bit of numbers below 2^32 and close the gaps."""
    bits = bits & 0x55555555
    bits = (bits | (bits >> 1)) & 0x33333333
    bits = (bits | (bits >> 2)) & 0x0F0F0F0F
    bits = (bits | (bits >> 4)) & 0x00FF00FF
    return (bits | (bits >> 8)) & 0xFFFF


def _spread(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put a zero bit between the bits of numbers below 2^16."""
    bits = (bits | (bits << 8)) & 0x00FF00FF
    bits = (bits | (bits << 4)) & 0x0F0F0F0F
    bits = (bits | (bits << 2)) & 0x33333333
    return (bits | (bits << 1)) & 0x55555555


def invented_ids(ra_deg: Floats, dec_deg: Floats, row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Identifiers that look like Gaia's, (N,): HEALPix level 12, then the row as running number.

    They are invented: the archive may hold a real source of the same number. The first 0.1 % of
    the sky is moved by one level-3 pixel so that every id exceeds 2^53, as nearly all real do.
    """
    pixel = healpix(ra_deg, dec_deg)
    pixel = np.where(pixel <= 1 << 18, pixel + (1 << 18) + 1, pixel)
    return np.asarray((pixel << SUFFIX_BITS) + row + 1, np.int64)
