"""Chi, distance and limits tell sources that a model knows from those it does not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_core.evaluation import chi_by_coefficient, reconstruction_chi
from latent_core.modalities import Observations
from latent_core.models.vae import Normal
from latent_core.training import TRAIN, VALIDATION
from latent_core.trust import (
    MOST_REFERENCES,
    NEIGHBORS,
    Limits,
    Trust,
    chi_of,
    fit_limits,
    judge,
    judge_new,
    training_distance,
)

LIMITS = Limits(chi=2.0, distance=1.5, sources=100)


class Doubling:
    """A decoder that is a formula: two equal coefficients a latent, and a scatter of 0.3."""

    def decode(self, z, at=None):
        mean = torch.repeat_interleave(z, 2, dim=1)
        return Normal(mean, torch.full_like(mean, 0.3))


def known_sources(count=2000, latents=3, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((count, latents)).astype(np.float32)
    error = np.full((count, 2 * latents), 0.4, np.float32)
    noise = 0.5 * rng.standard_normal(error.shape)
    x = np.repeat(z, 2, axis=1) + noise.astype(np.float32)
    return z, {"x": x, "error": error, "mask": np.ones(x.shape, bool)}


def test_a_reason_names_the_sign_and_its_limit():
    outside, reasons = judge(
        np.array([1.0, 3.0, 1.0, 9.0]), np.array([1.0, 1.0, 2.0, 9.0]), LIMITS
    )
    assert outside.tolist() == [False, True, True, True]
    assert reasons[0] == ""
    assert "chi 3.00, limit 2.00" in reasons[1]
    assert "distance" not in reasons[1]
    assert "distance 2.00, limit 1.50" in reasons[2]
    assert reasons[3].count("99 % of held-out sources") == 2


def test_what_cannot_be_measured_is_not_vouched_for():
    outside, reasons = judge(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), LIMITS)
    assert outside.all()
    assert all(reasons)


def test_one_in_a_hundred_held_out_sources_passes_a_limit():
    rng = np.random.default_rng(1)
    chi, distance = rng.chisquare(5, 4000), rng.chisquare(3, 4000)
    side = np.where(np.arange(4000) % 2, VALIDATION, TRAIN).astype(np.uint8)
    limits = fit_limits(chi, distance, side)
    assert limits.sources == 2000
    assert np.mean(chi[side == VALIDATION] > limits.chi) == pytest.approx(0.01, abs=0.001)
    nobody_held_out = fit_limits(chi, distance, np.full(4000, TRAIN, np.uint8))
    assert nobody_held_out.sources == 4000


def test_chi_with_scatter_is_one_for_sources_of_the_model():
    z, arrays = known_sources()
    chi = chi_of(Doubling(), arrays, z)
    assert np.sqrt(np.mean(chi**2)) == pytest.approx(1.0, abs=0.02)


def test_a_training_source_does_not_count_as_its_own_neighbor():
    z, _ = known_sources()
    asked = training_distance(z[:50], z)
    without = np.array([training_distance(z[i : i + 1], np.delete(z, i, 0))[0] for i in range(50)])
    np.testing.assert_allclose(asked, without, rtol=2e-3)
    assert (asked > 0).all()
    assert np.isnan(training_distance(np.full((2, 3), np.nan, np.float32), z)).all()


def test_new_sources_are_judged_as_the_bundles_own():
    z, arrays = known_sources()
    side = np.where(np.arange(len(z)) < 1000, TRAIN, VALIDATION).astype(np.uint8)
    chi, distance = chi_of(Doubling(), arrays, z), training_distance(z, z[:1000])
    trust = Trust(np.arange(len(z)), chi, distance, z[:1000], fit_limits(chi, distance, side))
    fresh, given = known_sources(400, seed=5)
    given["x"][0] += 20  # a spectrum that the model cannot draw
    fresh[1] = 30.0
    given["x"][1] = 30.0  # one that it draws well, far from all it has seen
    observations = Observations(np.arange(400), given, np.zeros((400, 1)))
    model = SimpleNamespace(network=Doubling())
    outside, reasons = judge_new(trust, model, observations, fresh)
    assert "reproduced worse" in reasons[0]
    assert "farther" in reasons[1]
    assert "reproduced" not in reasons[1]
    assert outside[2:].mean() < 0.06
    assert len(reasons) == 400
    assert NEIGHBORS < MOST_REFERENCES


def test_chi_of_a_coefficient_is_whitened_by_its_own_sigma():
    rng = np.random.default_rng(0)
    error = np.tile([0.1, 10.0, 1.0], (50_000, 1))
    mean = rng.standard_normal(error.shape)
    x = mean + error * rng.standard_normal(error.shape)
    np.testing.assert_allclose(chi_by_coefficient(x, error, mean), 1, atol=0.02)
    x[:, 2] += 2 * rng.standard_normal(len(x))
    seen = chi_by_coefficient(x, error, mean)
    assert seen[2] == pytest.approx(np.sqrt(5), rel=0.02)
    explained = chi_by_coefficient(x, error, mean, np.array([0, 0, 2.0]) * np.ones_like(x))
    np.testing.assert_allclose(explained, 1, atol=0.02)


def test_chi_of_a_star_and_of_a_coefficient_sum_the_same_squares():
    z, arrays = known_sources(300)
    mean = np.repeat(z, 2, axis=1)
    star = reconstruction_chi(*(arrays[n] for n in ("x", "error", "mask")), mean, 0 * mean)
    coefficient = chi_by_coefficient(arrays["x"], arrays["error"], mean)
    assert np.mean(star["errors"] ** 2) == pytest.approx(np.mean(coefficient**2))
