"""Synthetic photometry of XP spectra as one matrix product (data/make_xp_photometry.py)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from latent_core.modalities.xp_operator import shipped

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class XpPhotometry:
    """GaiaXPy's synthetic photometry: `flux` (B, 110) and `zero_point` (B,) of named bands."""

    bands: tuple[str, ...]
    flux: Floats
    zero_point: Floats

    def magnitudes(self, coefficients: Floats) -> Floats:
        """Return magnitudes (M, B) of coefficients (M, 110); NaN where a flux is not positive."""
        flux = np.asarray(coefficients, np.float64) @ self.flux.T
        bright = flux > 0  # NaN coefficients are not
        logs = np.log10(np.where(bright, flux, 1.0))
        return np.where(bright, self.zero_point - 2.5 * logs, np.nan)


@lru_cache
def load_photometry() -> XpPhotometry:
    """Open the shipped map."""
    with np.load(shipped("xp_photometry.npz"), allow_pickle=False) as file:
        return XpPhotometry(
            tuple(str(band) for band in file["bands"]), file["flux"], file["zero_point"]
        )
