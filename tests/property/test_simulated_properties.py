"""Properties of the simulator's small parts that hold for any input."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_core.surveys.simulated.cadence import padded, transit_errors
from latent_core.surveys.simulated.sky import healpix, invented_ids
from latent_core.surveys.simulated.spectra import colours
from latent_core.surveys.simulated.summary import from_quantiles, to_scores
from latent_core.surveys.simulated.templates import photosphere

RA = st.floats(0.0, 360.0, exclude_max=True)
DEC = st.floats(-90.0, 90.0)


@given(RA, DEC, st.integers(0, 12))
def test_healpix_nests(ra: float, dec: float, order: int) -> None:
    fine = healpix(np.array([ra]), np.array([dec]), 12)[0]
    coarse = healpix(np.array([ra]), np.array([dec]), order)[0]
    assert 0 <= fine < 12 * 4**12
    assert fine >> (2 * (12 - order)) == coarse


@given(RA, DEC, st.integers(0, 2**34))
def test_invented_ids_fit_and_exceed_doubles(ra: float, dec: float, row: int) -> None:
    number = invented_ids(np.array([ra]), np.array([dec]), np.array([row]))[0]
    assert 2**53 < number < 2**63 - 1


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(1700, 2700)), max_size=40))
def test_padding_keeps_every_value_sorted(pairs: list[tuple[int, float]]) -> None:
    owner = np.array([p[0] for p in pairs], np.int64)
    values = np.array([p[1] for p in pairs], float)
    table, real = padded(owner, values, 5)
    assert real.sum() == len(pairs)
    assert (np.diff(table, axis=1) >= 0).all()
    for row in range(5):
        assert np.array_equal(table[row][real[row]], np.sort(values[owner == row]))


@given(st.floats(-2.0, 2.0))
def test_scores_and_quantiles_undo_each_other(score: float) -> None:
    table = {"p": [0.01, 0.25, 0.5, 0.75, 0.99], "q": [-1.0, 0.0, 0.5, 2.0, 3.0]}
    value = from_quantiles(table, np.array([score]))
    assert np.allclose(to_scores(table, value), score, atol=1e-6)


@given(st.floats(-2.0, 25.0), st.integers(0, 1000))
def test_transit_errors_are_finite(mag: float, seed: int) -> None:
    error = transit_errors(np.array([mag]), np.random.default_rng(seed))
    assert 0 < error[0] < np.inf


@settings(max_examples=50)
@given(st.floats(2300, 40000), st.floats(-1.5, 8.5), st.floats(-3.0, 0.7), st.floats(-0.3, 0.6))
def test_every_star_shines(teff: float, logg: float, fe_h: float, alpha_m: float) -> None:
    one = [np.array([value]) for value in (teff, logg, fe_h, alpha_m)]
    flux = photosphere(*one)
    assert (flux > 0).all()
    assert np.isfinite(colours(flux)[1]).all()
