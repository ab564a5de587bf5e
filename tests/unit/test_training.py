"""Training: the split, early stopping, and a killed run that ends in the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_core.config import SplitSettings, TrainingSettings
from latent_core.errors import LatentError
from latent_core.feeding import Feed
from latent_core.models import make_model
from latent_core.stepping import Stepper
from latent_core.training import (
    TEST,
    TRAIN,
    VALIDATION,
    split_of,
    thinned,
    train,
    validation_loss,
)

SIZES = {"size": 12, "latents": 2, "body": "residual", "width": 16, "depth": 1}
ROWS = 400


def data():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(ROWS, 2))
    x = np.tanh(hidden @ rng.normal(size=(2, 12))) + rng.normal(0, 0.05, (ROWS, 12))
    return {"x": x.astype(np.float32), "error": np.full((ROWS, 12), 0.05, np.float32)}


def network():
    torch.manual_seed(5)
    return make_model("scatter", **SIZES)


SIDE = split_of(np.arange(ROWS, dtype=np.int64), SplitSettings())
SETTINGS = TrainingSettings(epochs=8, batch=64, learning_rate=3e-3, patience=50)


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


def kill_after(epochs):
    def progress(epoch, _total, _text):
        if epoch == epochs:
            raise KilledError

    return progress


def test_split_is_stable_has_the_asked_shares_and_ignores_order():
    ids = np.random.default_rng(0).integers(0, 2**63 - 1, 50_000)
    side = split_of(ids, SplitSettings(test=0.2, validation=0.1))
    shares = [np.mean(side == s) for s in (TRAIN, VALIDATION, TEST)]
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.01)
    np.testing.assert_array_equal(split_of(ids[::-1], SplitSettings()), side[::-1])
    assert split_of(np.array([4295806720]), SplitSettings()).tolist() == [0]


def test_training_learns_and_keeps_the_best_weights():
    model = network()
    history = train(model, data(), SIDE, SETTINGS)
    assert history[-1].train < history[0].train - 1
    best = min(history, key=lambda epoch: epoch.validation)
    held = Feed(data(), model.inputs)
    again = validation_loss(model, held, np.flatnonzero(SIDE == VALIDATION), 1.0)
    np.testing.assert_allclose(again[0], best.validation, rtol=1e-6)


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("latent_core.training.CHECKPOINT_SECONDS", 0.0)
    undisturbed = network()
    history = train(undisturbed, data(), SIDE, SETTINGS)
    checkpoint = tmp_path / "run.safetensors"
    with pytest.raises(KilledError):
        train(network(), data(), SIDE, SETTINGS, checkpoint=checkpoint, progress=kill_after(4))
    assert checkpoint.is_file()
    resumed = network()
    continued = train(resumed, data(), SIDE, SETTINGS, checkpoint=checkpoint)
    assert continued == history
    for name, tensor in undisturbed.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert not checkpoint.exists()


def test_patience_stops_early():
    stopped = train(network(), data(), SIDE, TrainingSettings(epochs=60, batch=64, patience=2))
    losses = [epoch.validation for epoch in stopped]
    assert len(stopped) == 60 or len(stopped) - 1 - int(np.argmin(losses)) == 2


def test_too_few_sources_are_refused():
    few = {name: array[:3] for name, array in data().items()}
    with pytest.raises(LatentError, match="too few"):
        train(network(), few, np.zeros(3, np.uint8), SETTINGS)


def curves():
    rng = np.random.default_rng(3)
    mask = np.arange(40) < rng.integers(3, 40, 60)[:, None]
    phase = np.sort(rng.random(mask.shape), axis=1) * mask
    arrays = {"x": (1 + np.sin(6.28 * phase)) * mask, "error": 0.05 * mask, "phase": phase}
    return {**{n: a.astype(np.float32) for n, a in arrays.items()}, "mask": mask}


def test_thinning_leaves_out_points_and_keeps_the_rest_in_order():
    whole = {n: torch.from_numpy(a) for n, a in curves().items()}
    torch.manual_seed(0)
    thin = thinned(whole, 0.5)
    before, after = whole["mask"].sum(dim=1), thin["mask"].sum(dim=1)
    assert (after <= before).all()
    assert (after >= before.clamp(max=5)).all()
    assert 0.65 < after.sum() / before.sum() < 0.85
    for row, count in enumerate(after.tolist()):
        assert thin["mask"][row, :count].all()
        phase = thin["phase"][row, :count]
        assert (phase.diff() > 0).all()
        assert torch.isin(phase, whole["phase"][row]).all()
        for name in ("x", "error", "phase"):
            assert not thin[name][row, count:].any()


def test_thinned_training_is_seeded_and_differs_from_whole():
    losses = []
    for thin in (0.5, 0.5, 0.0):
        torch.manual_seed(5)
        model = make_model("folded", width=8, depth=1, harmonics=2)
        settings = TrainingSettings(epochs=2, batch=16, thin=thin)
        side = np.r_[np.zeros(50), np.ones(10)].astype(np.uint8)
        losses.append([epoch.train for epoch in train(model, curves(), side, settings)])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("optimizer", ["adamw", "radam"])
def test_a_step_is_that_of_torchs_optimizer_over_single_tensors(optimizer):
    made = {"adamw": torch.optim.AdamW, "radam": torch.optim.RAdam}[optimizer]
    settings = TrainingSettings(optimizer=optimizer, clip=0.05, weight_decay=0.01)
    ours, theirs = network(), network()
    theirs.load_state_dict(ours.state_dict())
    stepper = Stepper(ours.parameters(), settings)
    plain = made(theirs.parameters(), lr=1e-3)
    batch = {name: torch.from_numpy(array[:32]) for name, array in data().items()}
    for turn in range(8):
        torch.manual_seed(turn)
        stepper.step(ours.loss(batch, 1.0).total, 2e-3)
        torch.manual_seed(turn)
        plain.zero_grad()
        theirs.loss(batch, 1.0).total.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), settings.clip)
        plain.param_groups[0]["lr"] = 2e-3
        plain.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_parameters_that_are_not_trained_stay_as_they_are():
    linear = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    before = [p.detach().clone() for p in linear[1].parameters()]
    stepper = Stepper(linear[0].parameters(), TrainingSettings(weight_decay=1.0))
    stepper.step(linear[0](torch.ones(3, 2)).sum(), 0.1)
    assert all(torch.equal(a, b) for a, b in zip(before, linear[1].parameters(), strict=True))
