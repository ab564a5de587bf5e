"""G light curves folded over twice their period: the input of Huijse et al. 2025's GRU."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numba import njit
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.modalities import (
    PAPER,
    RELEASE,
    Constants,
    Curve,
    Floats,
    Grid,
    Modality,
    Observations,
)
from latent_core.modalities.light_curves import (
    FEWEST_POINTS,
    MOST_EPOCHS,
    align,
    as_released,
    clean,
    double_period_phase,
    error_bins,
    too_few_or_flat,
)
from latent_core.products import G_BAND, EpochPhotometry, Product

CURVE_PHASES = 200
FREQUENCY_COLUMNS = ("frequency", "period_d")
# The paper's curves have exactly 100 points of standardised magnitude (huijse-2025.md, 2)
PAPER_CONSTANTS = {"points": np.array(100.0), "standardised": np.array(1.0)}


class FoldedModality(Modality):
    """Scaled magnitude (0 brightest, 1 faintest) over phase in units of twice the period.

    Twice, so that an eclipsing binary shows both eclipses whichever half was found. Magnitude
    and error are divided by the curve's own range (huijse-2025.md, 2). The constant
    `as_released`, where it is set, repeats two quirks that the published weights were trained
    with: folding in single precision, and error bins that end at G = 15.

    The preparation `paper` has magnitudes of mean 0 and sd 1, and brings every curve to exactly
    100 points: of n points in phase order it takes number floor(k n / 100) for k = 0 .. 99, which
    leaves points out evenly where there are more and repeats each about equally often where there
    are fewer. How the paper did it is not published.
    """

    name = "folded"
    title = "folded G light curve"
    product = EpochPhotometry.name
    catalog_columns = FREQUENCY_COLUMNS
    scale_names = ("frequency", "phase_shift", "mag_bright", "mag_range")
    preparations = MappingProxyType({RELEASE: {}, PAPER: PAPER_CONSTANTS})

    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Clean, fold, align and scale; no frequency or under 5 points is a refusal."""
        assert isinstance(product, EpochPhotometry)  # noqa: S101 - the registry pairs them
        rows = np.asarray(product.rows, np.int64)
        frequency = frequencies(catalog)[rows]
        phase = double_period_phase(
            np.asarray(product.time, np.float64),
            np.repeat(frequency, np.diff(product.offsets)),
            single_precision=as_released(constants),
        )
        folded, scales, count = _fold_all(
            np.asarray(product.offsets),
            np.asarray(product.time, np.float64),
            phase,
            np.asarray(product.mag, np.float32).astype(np.float64),
            np.asarray(product.mag_error, np.float64),
            np.asarray((product.band == G_BAND) & ~product.rejected),
            frequency,
            error_bins(constants),
            bool(constants.get("standardised", 0)),
        )
        usable = (count >= FEWEST_POINTS) & (scales[:, 3] > 0)
        folded, length = _resampled(
            folded[:, : usable.sum()], count[usable], int(constants.get("points", 0))
        )
        mask = np.arange(folded.shape[2]) < length[:, None]
        return Observations(
            rows=rows[usable],
            arrays={
                "x": folded[1],
                "error": folded[2],
                "mask": mask,
                "phase": folded[0],
            },
            scales=scales[usable],
            rejected=tuple(
                (int(rows[i]), _why(frequency[i], count[i])) for i in np.flatnonzero(~usable)
            ),
        )

    def decoded(
        self,
        mean: Floats,
        sigma: Floats,
        scales: NDArray[np.float64] | None,
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the curve with its added scatter; without scales in units of its own range."""
        bright, span = (0.0, 1.0) if scales is None else (scales[2], scales[3])
        y, error = np.asarray(mean) * span + bright, np.asarray(sigma) * span
        points = self.decode_points()
        relative = "of its sd" if constants.get("standardised", 0) else "of its range"
        return (_curve(points, y, error, "mag" if scales is not None else relative),)

    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Return the points that the model was given, in mag."""
        mask = arrays["mask"]
        y = arrays["x"][mask] * scales[3] + scales[2]
        phase = arrays["phase"][mask] % 1.0
        return (_curve(phase, y, arrays["error"][mask] * scales[3], "mag"),)

    def decode_points(self) -> NDArray[np.float32]:
        """Phases over twice the period, [0, 1)."""
        return (np.arange(CURVE_PHASES) / CURVE_PHASES).astype(np.float32)


def frequencies(catalog: Catalog) -> NDArray[np.float64]:
    """Return frequencies in 1/d from `frequency` or `period_d`, NaN where the catalog has none."""
    frame = catalog.frame
    found = np.full(len(frame), np.nan)
    if "frequency" in frame:
        found = frame["frequency"].to_numpy(np.float64, na_value=np.nan)
    if "period_d" in frame:
        period = frame["period_d"].to_numpy(np.float64, na_value=np.nan)
        with np.errstate(divide="ignore"):
            found = np.where(np.isfinite(found), found, 1 / period)
    return np.where(np.isfinite(found) & (found > 0), found, np.nan)


def _resampled(
    folded: NDArray[np.float32], count: NDArray[np.int64], points: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Bring all curves (3, M, 200) to `points` points, (3, M, points); 0 leaves them as they are.

    Also returns how many points of each are valid, (M,).
    """
    if not points:
        return folded, count
    taken = np.arange(points) * count[:, None] // points
    even = np.take_along_axis(folded, taken[None], axis=2)
    return even, np.full(len(count), points)


def _why(frequency: float, count: int) -> str:
    if not np.isfinite(frequency):
        return "the catalog has no frequency for it"
    return too_few_or_flat(count)


def _curve(phase: NDArray, y: NDArray, error: NDArray, unit: str) -> Curve:
    return Curve(
        name="G folded",
        x=np.asarray(phase, np.float64),
        y=np.asarray(y, np.float64),
        y_error=np.asarray(error, np.float64),
        x_label="phase",
        x_unit="of twice the period",
        y_label="G",
        y_unit=unit,
        y_inverted=True,
    )


@njit(cache=True)
def _fold_all(
    offsets: NDArray[np.int64],
    time: NDArray[np.float64],
    all_phases: NDArray[np.float64],
    mag: NDArray[np.float64],
    error: NDArray[np.float64],
    good: NDArray[np.bool_],
    frequency: NDArray[np.float64],
    bins: int,
    standardised: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Return phase, x and error (3, M, 200), scales (M, 4) and the number of points (M,).

    The curves that can be used stand first in the one, the others keep their places. Zero and
    unit of x, the last two scales, are the brightest magnitude and the range, or mean and sd
    where `standardised`.
    """
    count = np.zeros(len(frequency), np.int64)
    scales = np.zeros((len(frequency), 4))
    folded = np.zeros((3, len(frequency), MOST_EPOCHS), np.float32)
    used = 0
    for m in range(len(frequency)):
        part = np.flatnonzero(good[offsets[m] : offsets[m + 1]]) + offsets[m]
        keep = part[clean(time[part], mag[part], error[part], bins)]
        if not np.isfinite(frequency[m]) or len(keep) == 0:
            count[m] = len(keep)
            continue
        phase, y, e, shift = align(all_phases[keep], mag[keep], error[keep])
        zero, span = y.min(), y.max() - y.min()
        if standardised:
            zero, span = y.mean(), y.std()
        count[m] = len(y)
        scales[m] = np.array([frequency[m], shift, zero, span])
        if span > 0 and len(y) >= FEWEST_POINTS:
            folded[0, used, : len(y)] = phase
            folded[1, used, : len(y)] = (y - zero) / span
            folded[2, used, : len(y)] = e / span
            used += 1
    return folded, scales, count
