"""Fourier terms, amplitudes and scatter of simulated sources beside real ones of their kind."""

# ruff: noqa: T201  (the distances are worth reading: pytest -rP)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, spearmanr

from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.population import SHAPE_COLUMNS, Stars, draw_stars
from latent_core.surveys.simulated.summary import figures

pytestmark = pytest.mark.real
FAINTEST_G = 17.65
_MISFIT = 0.05  # of a Gaussian mixture or a table of quantiles, on top of chance
LITERATURE = ("SOLAR_LIKE", "RS", "AGN", "YSO", "CP", "BE", "CV", "GDOR", "T2CEP", "WD")


@pytest.fixture(scope="module")
def stars() -> Stars:
    return draw_stars(30_000, np.random.default_rng(31))


@pytest.fixture(scope="module")
def archive(shared: Path) -> pd.DataFrame:
    table = pd.read_parquet(shared / "gaia_dr3_variables_fourier_real.parquet")
    return table[table.mean_mag < FAINTEST_G]


@pytest.fixture(scope="module")
def released(shared: Path) -> pd.DataFrame:
    return pd.read_parquet(next((shared / "published/huijse-2025-release").glob("*.parquet")))


def of(stars: Stars, *names: str) -> np.ndarray:
    return np.isin(np.array([kind.name for kind in KINDS])[stars.kind], names)


def limit(a: np.ndarray, b: np.ndarray) -> float:
    """What chance gives in 1 % of equal populations, and the misfit of the model."""
    return 1.63 * float(np.sqrt(1 / len(a) + 1 / len(b))) + _MISFIT


@pytest.mark.parametrize("name", ["RRAB", "RRC", "DCEP"])
@pytest.mark.parametrize("term", ["r21", "phi21", "phi31"])
def test_fourier_terms(name: str, term: str, stars: Stars, archive: pd.DataFrame) -> None:
    real = archive[archive.label_name == name].dropna(subset=["r31_g", f"{term}_g"])
    theirs = real[f"{term}_g"].to_numpy(float)
    rows = of(stars, name)
    ours = stars.shape[rows, SHAPE_COLUMNS.index(term)]
    if term != "r21":
        centre = np.angle(np.exp(1j * theirs).mean())
        ours, theirs = ((x - centre + np.pi) % (2 * np.pi) for x in (ours, theirs))
    elif name == "RRC":
        theirs = archive.loc[archive.label_name == name, "r21_g"].dropna().to_numpy(float)
    print(name, term, ks_2samp(ours, theirs).statistic, limit(ours, theirs))
    assert ks_2samp(ours, theirs).statistic < limit(ours, theirs)


@pytest.mark.parametrize("name", ["RRAB", "RRC", "DCEP"])
@pytest.mark.parametrize("term", ["r21", "phi31"])
def test_fourier_terms_follow_the_period(
    name: str, term: str, stars: Stars, archive: pd.DataFrame
) -> None:
    real = archive[archive.label_name == name].dropna(subset=[f"{term}_g"])
    rows = of(stars, name)
    values = stars.shape[rows, SHAPE_COLUMNS.index(term)]
    theirs = real[f"{term}_g"].to_numpy(float)
    if term == "phi31":
        centre = np.angle(np.exp(1j * theirs).mean())
        values, theirs = ((x - centre + np.pi) % (2 * np.pi) for x in (values, theirs))
    ours = spearmanr(stars.log_period[rows], values).statistic
    expected = spearmanr(real.period, theirs).statistic
    print(name, term, ours, expected)
    # three standard errors of a rank correlation, and as much as a mixture blurs
    assert ours == pytest.approx(expected, abs=3 / np.sqrt(rows.sum()) + 0.03)


@pytest.mark.parametrize("population", LITERATURE)
def test_literature_classes(population: str, stars: Stars, released: pd.DataFrame) -> None:
    kind = next(k for k in KINDS if (k.population or k.name) == population)
    entry = figures()["populations"][population]
    low, high = entry["period_range_d"]
    rows = released[released.label.isin(entry["labels"])]
    rows = rows[(1 / rows.frequency >= low) & (1 / rows.frequency <= high)]
    mine = stars.take(np.flatnonzero(of(stars, kind.name)))
    pairs = {
        "log_amplitude": (mine.log_amplitude, np.log10(rows.amplitude)),
        "log_std": (mine.log_std, np.log10(rows.magnitude_std)),
        "g": (mine.g, rows.magnitude_mean),
    }
    if "log_period" not in kind.assumed:
        pairs["log_period"] = (mine.log_period, -np.log10(rows.frequency))
    for name, (ours, theirs) in pairs.items():
        if kind.name in ("T2CEP", "GDOR") and name == "log_std":
            continue  # their shapes set the scatter
        found = ks_2samp(ours, theirs).statistic
        print(population, name, found, limit(ours, theirs))
        assert found < limit(ours, theirs), name


def test_eclipses(stars: Stars, shared: Path) -> None:
    table = pd.read_parquet(shared / "vari_eclipsing_binary_2106.parquet")
    parts = [
        pd.to_numeric(table[f"geom_model_gaussian{i}_{key}"], errors="coerce").to_numpy(float)
        for i in (1, 2)
        for key in ("depth", "sigma")
    ]
    both = np.isfinite(parts).all(axis=0)
    first, width, second, other = (part[both] for part in parts)
    deep = second > first
    theirs = {
        0: -np.log10(table.frequency.to_numpy()[both]),
        1: np.log10(np.maximum(first, second)),
        2: -np.abs(np.log10(second / first)),
        3: np.log10(np.where(deep, other, width)),
    }
    ours = stars.shape[of(stars, "ECL")]
    for column, real in theirs.items():
        found = ks_2samp(ours[:, column], real).statistic
        print("eclipse column", column, found, limit(ours, real))
        assert found < limit(ours, real)
