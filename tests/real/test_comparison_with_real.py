"""A small simulated survey beside all the real rows: every quantity is compared, and stated."""

# ruff: noqa: T201  (the figures are worth reading: pytest -rP)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from latent_core.comparison.comparing import compare
from latent_core.surveys.simulated import simulate

# a minute of work, of which a busy machine makes several
pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
REAL = (
    "epoch_photometry_real.parquet",
    "vari_classifier_sample_real.parquet",
    "gaia_dr3_variables_fourier_real.parquet",
    "xp_continuous_real.parquet",
    "xp_apogee_coeffs.parquet",
)


@pytest.fixture(scope="module")
def figures(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("comparison")
    survey = simulate(2000, 3, base / "made.survey")
    page = compare(survey, [shared / name for name in REAL], base / "out")
    found: dict[str, Any] = json.loads(page.with_suffix(".json").read_text("utf-8"))
    print(found["sections"]["wrong"]["reading"])
    return found


def test_inputs_are_marked(figures: dict[str, Any]) -> None:
    made, *real = figures["inputs"]
    assert made["simulated"]
    assert not any(sample["simulated"] for sample in real)
    assert [sample["sources"] for sample in real] == [1979, 15000, 43629, 4587, 34671]
    assert "estimated" in real[-1]["notes"][0]


@pytest.mark.parametrize(
    ("section", "quantity"),
    [
        ("magnitude", "g"),
        ("colour", "bp_rp"),
        ("period", "log_period"),
        ("amplitude", "log_std"),
        ("amplitude", "log_iqr"),
        ("shape", "skewness"),
        ("shape", "abbe"),
        ("shape", "r21"),
        ("shape", "phi21"),
        ("transits", "transits"),
        ("transits", "span"),
        ("transits", "log_gap"),
        ("transits", "outliers"),
        ("transit_errors", "log_error"),
        ("coefficients", "xp_error_bp_0"),
        ("coefficients", "xp_error_rp_30"),
    ],
)
def test_every_quantity_has_distances(
    figures: dict[str, Any], section: str, quantity: str
) -> None:
    found = figures["sections"][section]["distances"]
    found = [m for m in found if m["quantity"] == quantity and m["same_kind_of_sources"]]
    assert found
    for m in found:
        assert 0 <= m["ks"] <= 1
        assert m["interval"][0] <= m["ks"] <= m["interval"][1]
        assert 0 < m["floor"] < 0.6
        assert m["wasserstein"] >= 0
        assert min(m["first_sources"], m["other_sources"]) >= 20


def test_errors_are_compared_by_magnitude(figures: dict[str, Any]) -> None:
    for section in ("transit_errors", "coefficients"):
        bins = {m["g_mag"] for m in figures["sections"][section]["distances"]}
        assert len(bins) >= 3
        assert "" not in bins


def test_the_auc_is_stated_with_its_floor(figures: dict[str, Any]) -> None:
    told = figures["sections"]["telling_apart"]["beside"]
    reading = figures["sections"]["telling_apart"]["reading"]
    archive = told["xp_continuous_real"]["G and BP-RP"]
    assert "errors over G flux" in archive["features"]
    derived = told["xp_apogee_coeffs"]["G and BP-RP"]
    assert derived["derived"]
    assert not any("errors" in name for name in derived["features"])
    for case in (archive, derived):
        best = max(
            scores["auc"]["value"]
            for kinds in case["features"].values()
            for scores in kinds.values()
        )
        print(best)
        assert f"AUC {best:.3f}" in reading
        floors = [s["floor"]["value"] for k in case["features"].values() for s in k.values()]
        assert all(0.4 < value < 0.6 for value in floors)
