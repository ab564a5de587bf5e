"""Feeding: every row once an epoch, from the disk as from memory, curves with their own kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_core import feeding
from latent_core.config import TrainingSettings
from latent_core.feeding import Feed, shuffled
from latent_core.models import make_model
from latent_core.training import TRAIN, VALIDATION, train


def curves(count: int = 700) -> dict[str, np.ndarray]:
    """Made-up curves of 5 to 40 points; a row's number is in its magnitudes."""
    rng = np.random.default_rng(0)
    mask = np.arange(40) < rng.integers(5, 41, count)[:, None]
    x = np.where(mask, np.arange(count)[:, None] + rng.random((count, 40)) / 2, 0)
    phase = np.where(mask, np.sort(rng.random((count, 40)), axis=1), 0)
    error = np.where(mask, 0.1, 0).astype(np.float32)
    return {
        "x": x.astype(np.float32), "error": error, "mask": mask, "phase": phase.astype(np.float32)
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 37, 64, 100])
def test_a_local_shuffle_has_every_row_once(count: int, monkeypatch) -> None:
    monkeypatch.setattr(feeding, "SHUFFLED_WHOLE", 10)
    monkeypatch.setattr(feeding, "BLOCK_ROWS", 8)
    monkeypatch.setattr(feeding, "MIXED", 3)
    torch.manual_seed(0)
    order, other = shuffled(count), shuffled(count)
    assert sorted(order.tolist()) == list(range(count))
    assert count < 10 or order.tolist() != other.tolist()
    if count == 100:  # neighbors in the order come from few blocks of the file
        assert len({row // 8 for row in order[:24].tolist()}) <= 4


def test_batches_of_curves_hold_every_row_once_and_little_else_than_points() -> None:
    arrays = curves()
    feed = Feed(arrays, ("x", "mask", "phase"))
    torch.manual_seed(1)
    rows = np.arange(0, 700, 2)
    batches = feed.epoch(rows, 10)
    assert sorted(np.concatenate(batches).tolist()) == rows.tolist()
    shares = [float(feed.batch(b)["mask"].double().mean()) for b in batches]
    assert np.mean(shares) > 0.9 > arrays["mask"].mean()
    lengths = [arrays["mask"][b].sum(axis=1).mean() for b in batches]
    assert not (np.diff(lengths) >= 0).all()  # long and short batches take turns
    checked = np.concatenate(list(feed.checks(rows)))
    assert sorted(checked.tolist()) == rows.tolist()


def test_training_from_the_disk_is_training_from_memory(tmp_path) -> None:
    arrays = curves(200)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = {n: np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in arrays}
    side = np.full(200, TRAIN, np.uint8)
    side[::5] = VALIDATION
    states = []
    for given in (arrays, mapped):
        torch.manual_seed(2)
        network = make_model("folded", width=8, depth=1)
        train(network, given, side, TrainingSettings(epochs=2, batch=16))
        states.append(network.state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
