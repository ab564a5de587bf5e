"""The scanning law beside 105,381 real transits of 1,979 sources at their own positions."""

# ruff: noqa: T201  (the distances are worth reading: pytest -rP)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from latent_core.surveys.simulated.cadence import transit_times
from latent_core.surveys.simulated.scanning_law import ecliptic, scan
from latent_core.surveys.simulated.sky import healpix_centre

pytestmark = pytest.mark.real
_KEY_D = 10_000.0


@pytest.fixture(scope="module")
def rows(shared: Path) -> pd.DataFrame:
    table = pd.read_parquet(
        shared / "epoch_photometry_real.parquet",
        columns=["source_id", "time", "band", "data_release"],
    )
    table = table[(table.band == "G") & (table.data_release == "DR3")]
    table = table.sort_values(["source_id", "time"], ignore_index=True)
    return table.assign(owner=np.unique(table.source_id, return_inverse=True)[1])


@pytest.fixture(scope="module")
def place(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return healpix_centre(np.unique(rows.source_id.to_numpy()) >> 35)


@pytest.fixture(scope="module")
def own(rows: pd.DataFrame, place: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return transit_times(*place, np.random.default_rng(1))


def test_real_transits_are_where_the_law_has_them(
    rows: pd.DataFrame, place: tuple[np.ndarray, np.ndarray]
) -> None:
    owner, time, _ = scan(ecliptic(*place))
    rising = np.sort(owner * _KEY_D + time)
    key = rows.owner.to_numpy() * _KEY_D + rows.time.to_numpy()
    after = np.clip(np.searchsorted(rising, key), 1, len(rising) - 1)
    off = np.minimum(np.abs(key - rising[after - 1]), np.abs(key - rising[after])) * 86400
    print("within a minute:", np.mean(off < 60), "median seconds:", np.median(off))
    assert np.mean(off < 60) > 0.995


def test_number_of_transits_by_position(
    rows: pd.DataFrame, place: tuple[np.ndarray, np.ndarray], own: tuple[np.ndarray, np.ndarray]
) -> None:
    real, ours = np.bincount(rows.owner), own[1].sum(axis=1)
    distance = ks_2samp(real, ours).statistic
    correlation = np.corrcoef(real, ours)[0, 1]
    print("number of transits: KS", distance, "correlation", correlation)
    # 1,979 against 1,979: 1 % of equal samples exceed 0.052
    assert distance < 0.052
    assert correlation > 0.95
    latitude = np.abs(np.degrees(np.arcsin(ecliptic(*place)[:, 2])))
    for low in range(0, 90, 15):
        here = (latitude >= low) & (latitude < low + 15)
        print("|beta| from", low, real[here].mean(), ours[here].mean())
        assert ours[here].mean() == pytest.approx(real[here].mean(), rel=0.03)


def test_gaps_between_transits(rows: pd.DataFrame, own: tuple[np.ndarray, np.ndarray]) -> None:
    time, real = own
    ours = np.diff(time, axis=1)[real[:, 1:]]
    theirs = rows.groupby("owner").time.diff().dropna().to_numpy()
    # real ones scatter by a few seconds about 0.0740 d: which of the nine CCDs gave the mean time
    distance = ks_2samp(ours.round(3), theirs.round(3)).statistic
    print("gaps: KS", distance)
    # the gaps of one source depend on each other: 1,979 sources again, not 100,000 gaps
    assert distance < 0.02
    for gap in (0.0740, 0.1761, 0.2502):
        a, b = np.mean(np.abs(ours - gap) < 0.002), np.mean(np.abs(theirs - gap) < 0.002)
        print("share of gaps of", gap, a, b)
        assert a == pytest.approx(b, abs=0.01)
    start = np.where(real, time, np.inf).min(axis=1)
    span = np.where(real, time, -np.inf).max(axis=1) - start
    theirs_span = rows.groupby("owner").time.agg(np.ptp)
    print("span: KS", ks_2samp(span, theirs_span).statistic)
    assert ks_2samp(span, theirs_span).statistic < 0.052
