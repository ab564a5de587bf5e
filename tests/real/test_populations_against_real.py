"""Simulated light curves beside archive rows of the same classes, as bright as XP spectra go.

Each Kolmogorov-Smirnov distance may exceed what two samples of these sizes show by chance (1 % of
equal populations) by the misfit of the model, which is written down here for each statistic.
"""

# ruff: noqa: T201  (the distances are worth reading: pytest -rP)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, kurtosis, skew

from latent_core.surveys.simulated.block import make_block

pytestmark = pytest.mark.real
FAINTEST_G = 17.65
CLASSES = {
    "RRAB": ("RRAB",),
    "RRC": ("RRC",),
    "DCEP": ("DCEP",),
    "DSCT_SXPHE": ("DSCT",),
    "ECL": ("ECL",),
    "MIRA_SR": ("MIRA", "SR", "CARBON"),
}
# statistic -> (column of the archive, misfit that the model has)
STATISTICS = {
    "period_d": ("period", 0.05),
    "phot_g_mean_mag": ("mean_mag", 0.05),
    "bp_rp": ("bp_rp", 0.05),
    "mag_std": ("mag_std", 0.05),
    "skewness": ("skewness", 0.05),
    "kurtosis": ("kurtosis", 0.05),
    "abbe_value": ("abbe_value", 0.06),
}
# What is known to be wrong: more modes and noisier, more asymmetric curves in real delta Scuti
# stars; shallower binaries; smoother real long-period variables
WRONG = {
    ("DSCT_SXPHE", "skewness"): 0.20,
    ("DSCT_SXPHE", "kurtosis"): 0.22,
    ("ECL", "mag_std"): 0.10,
    ("MIRA_SR", "abbe_value"): 0.08,
}


@pytest.fixture(scope="module")
def own() -> pd.DataFrame:
    return pd.concat([described(number) for number in range(8)], ignore_index=True)


def described(number: int) -> pd.DataFrame:
    """Statistics of the light curves of one block, as `vari_summary` has them."""
    block = make_block(21, number)
    kept = ~block.rejected
    owner = np.repeat(np.arange(len(block.frame)), block.counts)[kept]
    points = pd.DataFrame({"owner": owner, "time": block.time[kept], "mag": block.mag[kept]})
    enough = points.groupby("owner").mag.transform("size") > 9
    table = (
        points[enough]
        .sort_values(["owner", "time"])
        .groupby("owner")
        .mag.agg(
            mag_std="std",
            skewness=lambda m: skew(m, bias=False),
            kurtosis=lambda m: kurtosis(m, bias=False),
            abbe_value=lambda m: np.mean(np.diff(m) ** 2) / (2 * np.var(m, ddof=1)),
        )
    )
    return block.frame.join(table, how="inner")


@pytest.fixture(scope="module")
def real(shared: Path) -> pd.DataFrame:
    table = pd.read_parquet(shared / "gaia_dr3_variables_fourier_real.parquet")
    return table[table.mean_mag < FAINTEST_G]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("statistic", STATISTICS)
def test_distribution(name: str, statistic: str, own: pd.DataFrame, real: pd.DataFrame) -> None:
    column, misfit = STATISTICS[statistic]
    ours = own.loc[own.kind.isin(CLASSES[name]), statistic].dropna()
    theirs = real.loc[real.label_name == name, column].dropna()
    chance = 1.63 * np.sqrt(1 / len(ours) + 1 / len(theirs))
    distance = ks_2samp(ours, theirs).statistic
    print(name, statistic, round(distance, 3), "chance", round(chance, 3))
    assert distance < chance + WRONG.get((name, statistic), misfit)
