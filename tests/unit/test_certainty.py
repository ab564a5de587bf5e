"""Dead latents are found, and noise moves latents as the encoder's slope says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_core.activity import DEAD_NATS, activity, divergence_by_latent
from latent_core.config import read_settings
from latent_core.encoding import noise_scatter
from latent_core.errors import InputError
from latent_core.models.vae import VAE, Normal

SLOPES = (3.0, 0.0)


class Linear(VAE):
    """Two latents of three coefficients: one slope 3, one that encoder and decoder ignore."""

    latents, inputs = 2, ("x",)

    def encode(self, batch):
        mean = batch["x"][:, :2] * torch.tensor(SLOPES)
        return Normal(mean, torch.tensor([0.1, 1.0]).expand_as(mean))

    def decode(self, z, at=None):
        mean = torch.stack([z[:, 0], 2 * z[:, 0], 0 * z[:, 1]], dim=1)
        return Normal(mean, torch.zeros_like(mean))

    def loss(self, batch, beta):
        raise NotImplementedError


def given(count=3000, bright=0.01, faint=0.2):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, 3)).astype(np.float32)
    error = np.where(np.arange(count) % 2, faint, bright)[:, None] * np.ones((1, 3))
    return {"x": x, "error": error.astype(np.float32), "mask": np.ones(x.shape, bool)}


def test_noise_moves_latents_by_slope_times_error():
    arrays = given()
    scatter = noise_scatter(Linear(), arrays, 64, seed=1)
    faint = np.arange(len(scatter)) % 2 == 1
    assert np.median(scatter[faint, 0]) == pytest.approx(3 * 0.2, rel=0.03)
    assert np.median(scatter[~faint, 0]) == pytest.approx(3 * 0.01, rel=0.03)
    assert (scatter[:, 1] == 0).all()


def test_noise_is_drawn_alike_every_time_and_not_where_nothing_was_measured():
    arrays = given(200)
    first = noise_scatter(Linear(), arrays, 4, seed=1)
    np.testing.assert_array_equal(first, noise_scatter(Linear(), arrays, 4, seed=1))
    assert (first != noise_scatter(Linear(), arrays, 4, seed=2)).any()
    arrays["mask"][:, 0] = False
    arrays["error"][:, 0] = np.inf
    assert (noise_scatter(Linear(), arrays, 4, seed=1)[:, 0] == 0).all()


def test_a_latent_that_says_nothing_is_dead():
    rng = np.random.default_rng(0)
    means = np.stack([3 * rng.standard_normal(4000), np.zeros(4000)], axis=1)
    sigmas = np.tile([0.1, 1.0], (4000, 1))
    found = activity(Linear(), means, sigmas)
    assert found["dead"] == [1]
    assert found["dead_below_nats"] == DEAD_NATS
    assert found["divergence_nats"][0] == pytest.approx(
        0.5 * (9 + 0.01 - 1 - np.log(0.01)), rel=0.05
    )
    assert found["response"] == pytest.approx([np.sqrt(5 / 3), 0.0])


def test_sources_that_were_not_encoded_do_not_count():
    means, sigmas = np.ones((4, 1)), np.ones((4, 1))
    means[3] = np.nan
    np.testing.assert_allclose(divergence_by_latent(means, sigmas), [0.5])


@pytest.mark.parametrize("draws", [-1, 1])
def test_a_scatter_needs_two_draws(tmp_path, draws):
    file = tmp_path / "one.toml"
    file.write_text(f'[models.xp_samples]\nkind = "residual"\nnoise_draws = {draws}\n')
    with pytest.raises(InputError, match="noise_draws"):
        read_settings(file)
