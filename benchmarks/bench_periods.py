"""Period search on real light curves: our direct sum beside nifty-ls, and what either finds.

Needs the real rows of ../shared/data; without them it measures simulated cadences. nifty-ls is no
dependency of ours: install it beside the project to have it measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import SIZE, Figure, report

from latent_core.modalities.light_curves import FEWEST_POINTS
from latent_core.products import LightCurve
from latent_core.surveys.periods import (
    HIGHEST,
    LOWEST,
    POINTS_A_PEAK,
    candidates,
    find_frequency,
)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
NIFTY_SAMPLE = 400
EVERY = {"tiny": 100, "small": 5, "full": 1}  # one of so many curves
RIGHT = 0.01  # a frequency is right where it is within 1 % of the published one


def real_curves() -> dict[int, LightCurve]:
    """Return the G curves of the 1,979 DR3 sources by source_id."""
    table = pd.read_parquet(SHARED / "epoch_photometry_real.parquet")
    table = table[(table.data_release == "DR3") & (table.band == "G")]
    table = table.dropna(subset=["time", "mag"])
    error = table.mag_error.fillna(2.5 / np.log(10) / table.flux_over_error)
    table = table.assign(mag_error=error)[lambda t: t.mag_error > 0]
    columns = ["time", "mag", "mag_error"]
    return {
        int(source): LightCurve(*(rows[c].to_numpy(np.float64) for c in columns))
        for source, rows in table.groupby("source_id")
        if len(rows) >= FEWEST_POINTS
    }


def made_up_curves() -> dict[int, LightCurve]:
    rng = np.random.default_rng(0)
    curves = {}
    for i in range(500):
        times = np.sort(rng.uniform(1700, 2700, rng.integers(20, 90)))
        mag = 14 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.1, 5) * times)
        mag += rng.normal(0, 0.01, len(times))
        curves[i] = LightCurve(times, mag, np.full(len(times), 0.01))
    return curves


def nifty(curve: LightCurve) -> float:
    """Return the highest peak of nifty-ls on our coarse grid, in 1/d."""
    from nifty_ls import lombscargle

    step = 1.0 / (POINTS_A_PEAK * float(np.ptp(curve.time)))
    count = int((HIGHEST - LOWEST) / step) + 1
    order = np.argsort(curve.time)
    times, mag, error = (x[order] for x in (curve.time, curve.mag, curve.mag_error))
    last = LOWEST + (count - 1) * step
    found = lombscargle(
        times - times.mean(), mag, error, fmin=LOWEST, fmax=last, Nf=count, nthreads=1
    )
    return LOWEST + step * int(np.argmax(found.power))


def ours(curve: LightCurve) -> float:
    return find_frequency(curve.time, curve.mag, curve.mag_error).frequency


def timed(
    search: Callable[[LightCurve], float], curves: list[LightCurve]
) -> tuple[np.ndarray, float]:
    """Return the frequencies, and CPU ms a curve."""
    search(curves[0])
    start = time.process_time()
    found = np.array([search(curve) for curve in curves])
    return found, 1e3 * (time.process_time() - start) / len(curves)


def beside_nifty(curves: list[LightCurve]) -> Iterator[Figure]:
    """Compare peaks and time on every fifth curve; of three repeats the fastest counts."""
    some = curves[:: max(1, len(curves) // NIFTY_SAMPLE)]
    runs = [(timed(ours, some), timed(nifty, some)) for _ in range(3)]
    (found, _), (theirs, _) = runs[0]
    ms, other = (min(run[side][1] for run in runs) for side in (0, 1))
    width = np.array([1 / np.ptp(curve.time) for curve in some])
    median = np.median([len(curve) for curve in some])
    what = f"a search, {median:.0f} points"
    yield Figure(what, ms, "ms", other, "nifty-ls 1 thread, same grid, not refined")
    same = float((np.abs(found - theirs) < width).mean())
    yield Figure(f"same peak as nifty-ls, of {len(some)}", 100 * same, "%")
    longest = sorted(some, key=len)[-len(some) // 20 :]
    median = np.median([len(curve) for curve in longest])
    (_, ms), (_, other) = timed(ours, longest), timed(nifty, longest)
    yield Figure(f"a search, {median:.0f} points", ms, "ms", other, "nifty-ls 1 thread")


def beside_published(curves: dict[int, LightCurve]) -> Iterator[Figure]:
    """Compare with published frequencies of the same sources, and with half and double of ours."""
    table = pd.read_parquet(SHARED / "gaia_dr3_variables_fourier_real.parquet")
    table = table[table.period > 0].drop_duplicates("source_id").set_index("source_id")
    ids = [source for source in curves if source in table.index]
    if not ids:
        return
    true = 1 / table.period.loc[ids].to_numpy()
    found = np.array([ours(curves[source]) for source in ids])
    direct = np.abs(found / true - 1) < RIGHT
    yield Figure(f"published frequency found, of {len(ids)}", 100 * float(direct.mean()), "%")
    offered = [
        any(abs(c.frequency / f - 1) < RIGHT for c in _offers(curves[source], own))
        for source, own, f in zip(ids, found, true, strict=True)
    ]
    yield Figure("found, or its half or double offered", 100 * float(np.mean(offered)), "%")


def _offers(curve: LightCurve, frequency: float) -> tuple:
    return candidates(curve.time, curve.mag, curve.mag_error, frequency)


def main() -> None:
    real = SHARED.is_dir()
    found = real_curves() if real else made_up_curves()
    curves = dict(list(found.items())[:: EVERY[SIZE]])
    kind = "real DR3" if real else "SIMULATED"
    listed = list(curves.values())
    _, ms = timed(ours, listed)
    figures = [Figure(f"our search, {len(listed)} {kind} curves", ms, "ms")]
    if find_spec("nifty_ls"):
        figures += beside_nifty(listed)
    if real:
        figures += beside_published(curves)
    report("periods", figures)


if __name__ == "__main__":
    main()
