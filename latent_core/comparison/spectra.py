"""XP coefficients and their errors beside real ones, among pairs of equal magnitude and colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_core.comparison.distances import distance, kolmogorov
from latent_core.comparison.marginals import Marginal
from latent_core.comparison.pairs import Pairs
from latent_core.comparison.samples import Sample, Spectra
from latent_core.comparison.telling_apart import coefficients, equal_pairs
from latent_core.release import load_release

Floats = NDArray[np.float64]
PAIRED = "equal pairs"
# low coefficients carry the spectrum, high ones little but noise: (from, to)
RANGES = ((0, 10), (10, 30), (30, 55))
STEP = 1.0  # mag, a bin of G
FEWEST_PAIRS = 40  # in a bin of G


@dataclass(frozen=True)
class PairedSpectra:
    """What the sections of spectra draw: two samples, their pairs, and every marginal of them.

    `values_ks` and `errors_ks` (110,) are the distances of each coefficient over its G flux, and
    of log10 of its error; the errors' are None where either side's are estimated.
    """

    first: Sample
    other: Sample
    pairs: Pairs
    marginals: tuple[Marginal, ...]
    values_ks: Floats
    errors_ks: Floats | None

    @property
    def sides(self) -> tuple[tuple[Sample, Spectra, NDArray[np.int64]], ...]:
        """Each sample with its spectra and the items of them that stand in pairs."""
        assert self.first.spectra is not None  # noqa: S101 - they have pairs
        assert self.other.spectra is not None  # noqa: S101
        return (
            (self.first, self.first.spectra, self.pairs.first),
            (self.other, self.other.spectra, self.pairs.other),
        )


def paired_spectra(first: Sample, other: Sample) -> PairedSpectra | None:
    """Pair two samples' spectra and compare values and errors; None for too few pairs."""
    pairs = equal_pairs(first, other)
    if pairs is None or first.spectra is None or other.spectra is None:
        return None
    derived = first.spectra.derived or other.spectra.derived
    a, b = coefficients(first.spectra, pairs.first), coefficients(other.spectra, pairs.other)
    values_ks = np.array([kolmogorov(x, y) for x, y in zip(a.T, b.T, strict=True)])
    errors_ks, found = None, []
    if not derived:
        c = np.log10(first.spectra.errors[pairs.first])
        d = np.log10(other.spectra.errors[pairs.other])
        errors_ks = np.array([kolmogorov(x, y) for x, y in zip(c.T, d.T, strict=True)])
        g = other.spectra.photometry[pairs.other, 0]
        found = list(_by_magnitude(c, d, g, other.name))
    return PairedSpectra(first, other, pairs, tuple(found), values_ks, errors_ks)


def _by_magnitude(first: Floats, other: Floats, g: Floats, name: str) -> Iterator[Marginal]:
    """Compare log10 errors (P, 110) of pairs in bins of G and ranges of coefficients."""
    for band, part in band_slices().items():
        for start, stop in RANGES:
            a, b = (np.median(x[:, part][:, start:stop], axis=1) for x in (first, other))
            title = f"log10 error of {band} {start}-{stop - 1} [e-/s]"
            for low in np.unique(np.floor(g / STEP)) * STEP:
                here = (g >= low) & (g < low + STEP)
                found = distance(a[here], b[here]) if here.sum() >= FEWEST_PAIRS else None
                if found is not None:
                    yield Marginal(
                        f"xp_error_{band.lower()}_{start}", title, name, PAIRED, found,
                        bin=f"{low:.0f} to {low + STEP:.0f}",
                    )  # fmt: skip


def band_slices() -> dict[str, slice]:
    """Return where each band's coefficients stand among the 110."""
    release = load_release().xp
    size = release.coefficients_per_band
    return {band.upper(): slice(i * size, (i + 1) * size) for i, band in enumerate(release.bands)}
