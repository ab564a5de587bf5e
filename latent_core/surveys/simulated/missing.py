"""What a survey does not have of a source, at the rates of Gaia DR3.

Spectra. DR3 publishes mean BP/RP spectra of 219 million sources "brighter than 17.65 in the G
band, with more than 15 CCD transits" and reliable colours, and lists of fainter white dwarfs
(100,000), galaxies (17,000) and others (DR3 documentation, 5.3.6); De Angeli et al. 2023 (A&A 674,
A2) add 100,000 quasars. The limits are taken as they stand; BP and RP have one CCD a transit. The
shares of fainter sources are those lists over what DR3 classifies: 872,228 `vari_agn` rows,
359,073 white dwarfs (Gentile Fusillo et al. 2021), 2.45 million galaxies of the classifier. DR4
publishes all; `Xp.ALL` keeps faint sources and those of few transits.

Of 219 million sources one has RP only (the same page): none is to be expected here, none is made.

Light curves. Every variable source of DR3 has one. Of 1,000 asked sources, though, the archive's
DataLink gives 940 to 960, spectra as well as curves (astroquery issue 2973), so 5 % of each lack.

Assumed: 2 % of the curves have fewer than FEWEST_TRANSITS points, which DR3's variable sources do
not; they are here because DR4's light curves of all sources will have such.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.population import Stars

Flags = NDArray[np.bool_]
FAINTEST_XP = 17.65
FEWEST_XP_TRANSITS = 16
NOT_RETURNED = 0.05
SHORT_CURVE = 0.02
FEWEST_TRANSITS = 5
_FAINT_SHARE = {
    "QUASAR": 100_000 / 872_228,
    "WD": 100_000 / 359_073,
    "GALAXY": 17_000 / 2_450_000,
}


class Xp(StrEnum):
    """Which sources have spectra: as DR3 publishes them, or all that were returned."""

    DR3 = "dr3"
    ALL = "all"


def with_spectrum(
    stars: Stars, transits: NDArray[np.int64], xp: Xp, rng: np.random.Generator
) -> Flags:
    """Say which sources have XP coefficients, (N,), by their number of transits (N,).

    The draws do not depend on `xp`: what DR3 has is a part of what ALL has.
    """
    returned = rng.random(len(stars)) >= NOT_RETURNED
    listed = rng.random(len(stars)) < faint_share(stars)
    bright = (stars.g < FAINTEST_XP) & (transits >= FEWEST_XP_TRANSITS)
    return np.asarray(returned & ((xp is Xp.ALL) | bright | listed))


def faint_share(stars: Stars) -> NDArray[np.float64]:
    """Chance of each source to be on one of DR3's lists of fainter sources, (N,)."""
    shares = np.array([_FAINT_SHARE.get(kind.name, 0.0) for kind in KINDS])[stars.kind]
    return np.where(stars.g < FAINTEST_XP, 0.0, shares)


def kept_transits(real: Flags, rng: np.random.Generator) -> Flags:
    """Say which of the padded transits (N, T) are kept: some sources have none, a few very few."""
    u = rng.random(len(real))
    short = (u >= NOT_RETURNED) & (u < NOT_RETURNED + SHORT_CURVE)
    limit = np.where(short, rng.integers(1, FEWEST_TRANSITS, len(real)), real.shape[1])
    limit = np.where(u < NOT_RETURNED, 0, limit)
    return np.asarray(real & (np.cumsum(real, axis=1) <= limit[:, None]))
