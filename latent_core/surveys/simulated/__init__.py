"""A simulated survey of variable sources, with spectra and light curves of the same sources.

No public set has XP spectra, light curves and labels of the same sources in large numbers; this
one does, and every table, product and manifest that it writes says `simulated`. The map:

- `classes`: one line a kind of source: its share, its star, its light curve.
- `population`: periods, amplitudes, magnitudes, [Fe/H], [alpha/M] of each source.
- `sky`, `cadence`: where it stands, its invented id, when Gaia's scanning law sees it.
- `light_curves`, `spectra`: how it varies and shines, with real-like errors.
- `templates`, `xp_noise`: stars as APOGEE's spectra show them, errors and noise of coefficients.
- `telling`: can a classifier tell simulated rows from real ones?
- `survey`: blocks of 1,000 rows, put together and written.
- `summary`, `physics`: the figures measured on real stars, and formulas.

Real: marginals per class, Fourier and eclipse shapes, spectra of stars with their scatter
(APOGEE, 3,150 to 18,500 K), errors of coefficients against magnitude, colour and amplitude, and
their correlations, [alpha/M] against [Fe/H]. Assumed: the mixture, Teff and log g of each class,
spectra of what is not a normal star, the link between light curve and spectrum beyond the class.
Left out: BP and RP epochs, blends, wrong frequencies.
"""

from latent_core.surveys.simulated.survey import BLOCK_ROWS, simulate

__all__ = ["BLOCK_ROWS", "simulate"]
