"""A simulated survey of variable sources, with spectra and light curves of the same sources.

No public set has XP spectra, light curves and labels of the same sources in large numbers; this
one does, and every table, product and manifest that it writes says `simulated`. The map:

- `classes`: one line a kind of source: its share, its star, its light curve.
- `population`: periods, amplitudes, magnitudes, [Fe/H], [alpha/M] of each source.
- `pulsators`, `luminosity`: what the light curve of RR Lyrae and Cepheids says about the star, and
  the period-luminosity(-colour) relations that give distances.
- `sky`: where it stands (the Magellanic Clouds too), its invented id.
- `scanning_law`, `cadence`: Gaia's own transits of that position, their errors and failures.
- `light_curves`, `spectra`: how it varies and shines, with real-like errors.
- `templates`, `xp_noise`: stars as APOGEE's spectra show them, errors and noise of coefficients.
- `missing`: which sources have no spectrum or no light curve, at the rates of DR3.
- `anomalies`: a few rows made wrong in a known way, listed in the truth table.
- `block`, `making`: 1,000 rows from (seed, block), on several cores.
- `survey`, `writing`: blocks streamed into a folder, with checkpoints; or any rows alone.
- `summary`, `physics`: the figures measured on real stars, and formulas.

Real: marginals per class, Fourier and eclipse shapes, dates of transits, spectra of stars with
their scatter (APOGEE, 3,150 to 18,500 K), errors of coefficients against magnitude, colour and
amplitude, their correlations, [alpha/M] against [Fe/H]. Assumed: the mixture of classes, Teff and
log g of most, spectra of what is not a normal star, the link between light curve and spectrum
beyond the class and the pulsators. Left out: BP and RP epochs, blends.
"""

from latent_core.executors import cores
from latent_core.surveys.simulated.block import BLOCK_ROWS, Block
from latent_core.surveys.simulated.making import Options
from latent_core.surveys.simulated.missing import Xp
from latent_core.surveys.simulated.survey import simulate, simulate_rows, write_rows

__all__ = [
    "BLOCK_ROWS",
    "Block",
    "Options",
    "Xp",
    "cores",
    "simulate",
    "simulate_rows",
    "write_rows",
]
