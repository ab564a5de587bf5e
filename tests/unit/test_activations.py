"""Our GELU and gates: as near to the true functions as torch's, and the same gradients."""

import numpy as np
import pytest
import torch
from scipy.special import expit, ndtr
from torch import nn

from latent_core.models.activations import Gelu, gelu
from latent_core.models.kernels import gated
from latent_core.models.recurrent import states
from latent_core.models.vae import ResidualBlock

X = np.linspace(-14, 14, 400_001).astype(np.float32)


def true_slope(x):
    return ndtr(x) + x * np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)


def test_gelu_is_as_near_the_true_one_as_torchs():
    x = X.astype(np.float64)
    with torch.no_grad():
        theirs = nn.functional.gelu(torch.from_numpy(X)).numpy()
        ours = gelu(torch.from_numpy(X.copy())).numpy()
    wrong = np.abs(ours - x * ndtr(x))
    assert wrong.max() <= max(np.abs(theirs - x * ndtr(x)).max(), 1e-6)
    assert (wrong / np.maximum(np.abs(x), 1)).max() < 4e-7


def test_the_gradient_is_the_true_slope_times_what_came():
    given = torch.from_numpy(X.copy()).requires_grad_()
    came = torch.linspace(-2, 3, len(X))
    gelu(given).backward(came)
    wanted = true_slope(X.astype(np.float64)) * came.numpy()
    assert np.abs(given.grad.numpy() - wanted).max() < 1.5e-6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_what_is_not_finite_stays_so(value):
    x = torch.full((3, 4), value)
    wanted = nn.functional.gelu(x.double()).numpy()
    if value == -np.inf:  # torch says NaN of -inf times 0
        wanted = np.full((3, 4), np.nan)
    with torch.no_grad():
        np.testing.assert_allclose(gelu(x.clone()).numpy(), wanted, atol=1e-6)


def test_a_block_and_its_gradients_are_autograds_own():
    torch.manual_seed(0)
    block, x = ResidualBlock(16), torch.randn(40, 16)
    came = torch.randn(40, 16)
    found = []
    for kind in (torch.float32, torch.float64):
        block, given = block.to(kind), x.to(kind).detach().requires_grad_()
        block.zero_grad()
        out = block(given)
        out.backward(came.to(kind))
        found.append([out.detach(), given.grad, *(p.grad for p in block.parameters())])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["double", "turned"])
def test_what_the_loops_cannot_take_is_torchs(form):
    x = torch.randn(5, 7)
    x = x.double() if form == "double" else x.t()
    torch.testing.assert_close(Gelu()(x), nn.functional.gelu(x))


def test_an_input_that_needs_a_gradient_keeps_its_values():
    x = torch.randn(8, 3, requires_grad=True)
    before = x.detach().clone()
    gelu(x)
    assert torch.equal(x.detach(), before)


def test_one_step_of_the_gates_follows_the_equations():
    rng = np.random.default_rng(0)
    given, held = (3 * rng.standard_normal((6, 15)).astype(np.float32) for _ in range(2))
    bias = rng.standard_normal(5).astype(np.float32)
    state = rng.standard_normal((6, 5)).astype(np.float32)
    out = np.empty_like(state)
    gated(given, held, bias, state, out)
    g, h = given.astype(np.float64), held.astype(np.float64)
    reset, update = expit(g[:, :5] + h[:, :5]), expit(g[:, 5:10] + h[:, 5:10])
    new = np.tanh(g[:, 10:] + reset * (h[:, 10:] + bias))
    np.testing.assert_allclose(out, new + update * (state - new), atol=1e-6)


def test_the_states_are_those_of_torchs_gru():
    torch.manual_seed(0)
    gru = nn.GRU(5, 16, num_layers=2).eval()
    points = 2 * torch.randn(23, 9, 5)
    with torch.inference_mode():
        torch.testing.assert_close(states(gru, points), gru(points)[0], atol=2e-6, rtol=0)
