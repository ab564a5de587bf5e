"""What every registered network promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_core.config import TrainingSettings
from latent_core.encoding import decode, encode
from latent_core.models import make_model, model_kinds
from latent_core.models.recurrent import states
from latent_core.models.residual import masked_nll
from latent_core.models.vae import MIN_VARIANCE, weighted_nll
from latent_core.training import train

ROWS, POINTS = 12, 200
SMALL = {
    "scatter": {"size": 110, "body": "residual", "width": 16, "depth": 1},
    "residual": {"width": 16, "depth": 1},
    "folded": {"width": 16, "depth": 1},
    "dmdt": {"width": 16, "depth": 1},
    "identity": {"size": 2},
    "masked": {
        **{"columns": 14, "bands": 4, "block": (4, 12), "latents": 6},
        **{"widths": (16, 16), "decoder": (16,), "head": (16,)},
    },
}
SIZES = {
    **{"scatter": 110, "residual": 100, "folded": POINTS, "dmdt": 200, "identity": 2},
    "masked": 14,
}
LEARNING = tuple(kind for kind in model_kinds() if kind != "identity")


def network(kind):
    torch.manual_seed(0)
    return make_model(kind, **SMALL[kind]).eval()


def arrays(kind, seed=0):
    rng = np.random.default_rng(seed)
    shape = (ROWS, SIZES[kind])
    count = rng.integers(10, 60, ROWS)
    mask = np.ones(shape, bool)
    if kind == "folded":
        mask = np.arange(POINTS) < count[:, None]
    return {
        "x": (rng.random(shape) * mask).astype(np.float32),
        "error": np.full(shape, 0.1, np.float32),
        "mask": mask,
        "phase": np.sort(rng.random(shape), axis=1).astype(np.float32),
        "synthetic": rng.random((ROWS, 4), np.float32),
        "synthetic_mask": np.ones((ROWS, 4), bool),
        "labels": rng.random((ROWS, 4), np.float32),
        "label_mask": np.ones((ROWS, 4), bool),
    }


@pytest.mark.parametrize("kind", model_kinds())
def test_encode_and_decode_have_the_promised_shapes(kind):
    model, given = network(kind), arrays(kind)
    means, sigmas = encode(model, given)
    assert means.shape == sigmas.shape == (ROWS, model.latents)
    assert np.isfinite(means).all()
    assert (sigmas > 0).all() if kind in LEARNING else not sigmas.any()
    points = np.linspace(0, 1, SIZES[kind], endpoint=False, dtype=np.float32)
    mean, scatter = decode(model, means, points if kind == "folded" else None)
    assert mean.shape == scatter.shape == (ROWS, SIZES[kind])
    assert (scatter >= 0).all()


@pytest.mark.parametrize("kind", model_kinds())
def test_a_row_is_encoded_alike_alone_and_in_any_batch(kind):
    model, given = network(kind), arrays(kind)
    together, _ = encode(model, given)
    alone = np.vstack(
        [encode(model, {n: a[[i]] for n, a in given.items()})[0] for i in range(ROWS)]
    )
    backwards, _ = encode(model, {n: a[::-1] for n, a in given.items()})
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-5)


def test_masked_points_of_a_curve_do_not_matter():
    model, given = network("folded"), arrays("folded")
    spoiled = {**given, "x": np.where(given["mask"], given["x"], 77).astype(np.float32)}
    np.testing.assert_allclose(*(encode(model, a)[0] for a in (given, spoiled)), atol=1e-6)
    batches = [{n: torch.from_numpy(a[n]) for n in model.inputs} for a in (given, spoiled)]
    losses = [model.loss(batch, 1e-3).reconstruction.item() for batch in batches]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("kind", ["residual", "dmdt"])
def test_errors_of_masked_points_do_not_matter(kind):
    # these encoders take whole vectors, so that only the likelihood can leave points out
    model, given = network(kind), arrays(kind)
    given["mask"][:, -3:] = False
    spoiled = {**given, "error": np.where(given["mask"], 0.1, 1e-4).astype(np.float32)}
    batches = [{n: torch.from_numpy(a[n]) for n in model.inputs} for a in (given, spoiled)]
    losses = [model.loss(batch, 1e-3).reconstruction.item() for batch in batches]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_likelihood_ignores_masked_values_and_holds_the_variance():
    x, mean = torch.tensor([[0.1, 0.2, 9.0]]), torch.zeros(1, 3)
    mask = torch.tensor([[True, True, False]])
    variance = torch.full((1, 3), 1e-12)
    held = 0.5 * np.mean([0.1**2, 0.2**2]) / MIN_VARIANCE + 0.5 * np.log(MIN_VARIANCE)
    assert masked_nll(x, mean, variance, mask).item() == pytest.approx(held, rel=1e-6)
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    assert masked_nll(x, mean, variance, nothing).item() == 0


@pytest.mark.parametrize("kind", LEARNING)
def test_a_step_of_training_lowers_the_loss(kind):
    model = network(kind).train()
    batch = {n: torch.from_numpy(a) for n, a in arrays(kind).items() if n in model.inputs}
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    torch.manual_seed(1)
    losses = []
    for _ in range(30):
        loss = model.loss(batch, 1e-4)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
    assert np.mean(losses[-5:]) < losses[0]


def test_the_noise_latent_carries_no_shape():
    model = network("folded")
    z = torch.randn(3, model.latents)
    other = z.clone()
    other[:, -1] += 2
    at = torch.linspace(0, 1, 50).expand(3, -1)
    with torch.no_grad():
        first, second = model.decode(z, at), model.decode(other, at)
    assert torch.equal(first.mean, second.mean)
    assert not torch.equal(first.sigma, second.sigma)


def test_known_coordinates_pass_unchanged_and_are_not_trained():
    model, given = network("identity"), arrays("identity")
    means, sigmas = encode(model, given)
    np.testing.assert_array_equal(means, given["x"])
    assert not sigmas.any()
    np.testing.assert_array_equal(decode(model, means)[0], given["x"])
    side = np.zeros(ROWS, np.uint8)  # not even a validation split is asked for
    assert train(model, given, side, TrainingSettings(epochs=3)) == []


def test_with_columns_a_histogram_decodes_to_distributions():
    model = make_model("dmdt", **SMALL["dmdt"], columns=10).eval()
    with torch.no_grad():
        cells = model.decode(torch.randn(4, 5)).mean.reshape(4, 20, 10)
    torch.testing.assert_close(cells.sum(dim=1), torch.ones(4, 10))
    with pytest.raises(ValueError, match="columns"):
        make_model("dmdt", columns=7)


def test_a_folded_curve_wants_phases():
    with pytest.raises(ValueError, match="phases"):
        network("folded").decode(torch.zeros(1, 5))


def test_published_scatter_network_has_the_published_size():
    model = make_model("scatter", size=110)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 67_182


@pytest.mark.parametrize(
    ("kind", "parameters"), [("residual", 63_918), ("folded", 263_308), ("dmdt", 152_658)]
)
def test_released_networks_have_the_released_sizes(kind, parameters):
    assert sum(p.numel() for p in make_model(kind).parameters()) == parameters


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("points", [1, 4, 9])
def test_the_states_of_a_gru_are_torchs_to_rounding(layers, points):
    torch.manual_seed(layers)
    gru = torch.nn.GRU(5, 8, num_layers=layers, batch_first=True)
    x = torch.randn(7, points, 5)
    with torch.inference_mode():
        expected, _ = gru(x)
        found = states(gru, x.transpose(0, 1).contiguous()).transpose(0, 1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_the_written_out_likelihood_has_autograds_gradients():
    torch.manual_seed(0)
    x, weight = torch.randn(6, 9, dtype=torch.float64), torch.rand(6, 9, dtype=torch.float64)
    mean = torch.randn(6, 9, dtype=torch.float64, requires_grad=True)
    variance = (torch.rand(6, 9, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, v: weighted_nll(x, m, v, weight), (mean, variance))
    plain = (weight * ((x - mean) ** 2 / variance + torch.log(variance)) / 2).sum()
    torch.testing.assert_close(weighted_nll(x, mean, variance, weight), plain)
