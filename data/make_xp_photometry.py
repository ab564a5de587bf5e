"""Make xp_photometry.npz from GaiaXPy: synthetic photometry as a linear map of XP coefficients.

    python data/make_xp_photometry.py

GaiaXPy's synthetic flux is linear in the coefficients, so feeding it unit vectors gives the map
exactly; the zero point of a band is what its own magnitude says of the same flux. Stars drawn
from the shipped prior check both: the script stops where map and GaiaXPy differ.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from gaia_latent_data.make_xp_operator import unit_rows
from gaiaxpy import PhotometricSystem, generate

from latent_core.modalities.xp_operator import load_prior

HERE = Path(__file__).parent
# our band -> (GaiaXPy system, its band); the standardised systems (_Std) are not linear
BANDS = {
    "g": ("Gaia_DR3_Vega", "G"),
    "bp": ("Gaia_DR3_Vega", "BP"),
    "rp": ("Gaia_DR3_Vega", "RP"),
    **{f"sdss_{b}": ("SDSS", b) for b in "ugriz"},
    **{f"ps1_{b}": ("PanSTARRS1", f"{b}p") for b in "grizy"},
    **{f"skymapper_{b}": ("Sky_Mapper", b) for b in "uvgriz"},
}
CHECKED = 20
FLUX_SCALE = 1e-15  # a star of about G = 12 mag, in the units of the calibrated median flux
TOLERANCE_MAG = 1e-5


def rows_of(values: np.ndarray) -> pd.DataFrame:
    """Return made-up sources with these coefficients (M, 110)."""
    rows = unit_rows()
    made = rows.iloc[np.arange(len(values)) % len(rows)].reset_index(drop=True)
    half = values.shape[1] // 2
    made["source_id"] = np.arange(1, len(values) + 1)
    made["bp_coefficients"] = list(values[:, :half])
    made["rp_coefficients"] = list(values[:, half:])
    return made


def photometry(rows: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return flux and magnitude (M,) of every band, as GaiaXPy makes them."""
    found = {}
    for system in dict.fromkeys(system for system, _ in BANDS.values()):
        table = generate(
            rows, photometric_system=getattr(PhotometricSystem, system), save_file=False
        ).sort_values("source_id")
        for ours, (of, band) in BANDS.items():
            if of == system:
                flux, magnitude = (
                    next(c for c in table if c.endswith(f"_{kind}_{band}"))
                    for kind in ("flux", "mag")
                )
                found[ours] = (table[flux].to_numpy(float), table[magnitude].to_numpy(float))
    return found


def main() -> None:
    """Make the map, check it, write it."""
    prior = load_prior()
    rng = np.random.default_rng(0)
    stars = FLUX_SCALE * (
        prior.mean + 0.1 * rng.multivariate_normal(0 * prior.mean, prior.covariance, CHECKED)
    )
    units, checked = photometry(unit_rows()), photometry(rows_of(stars))
    operator = np.stack([units[band][0] for band in BANDS])
    zero_points = []
    for row, band in zip(operator, BANDS, strict=True):
        flux, magnitude = checked[band]
        bright = flux > 0
        zero = magnitude[bright] + 2.5 * np.log10((stars @ row)[bright])
        off = float(np.ptp(zero))
        print(f"{band}: zero point {np.median(zero):.4f}, spread {off:.1e} mag")
        if not off < TOLERANCE_MAG:
            raise SystemExit(f"{band}: GaiaXPy is not linear to {TOLERANCE_MAG} mag")
        zero_points.append(np.median(zero))
    np.savez_compressed(
        HERE / "xp_photometry.npz",
        bands=np.array(list(BANDS)),
        systems=np.array([system for system, _ in BANDS.values()]),
        flux=operator,
        zero_point=np.array(zero_points),
        gaiaxpy_version=np.array(version("gaiaxpy")),
    )


if __name__ == "__main__":
    main()
