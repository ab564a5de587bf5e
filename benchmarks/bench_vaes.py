"""How near the training of each VAE comes to the machine's rate of multiplying matrices.

The share of a large square product's rate that the matrix products of a whole training step reach,
forward, backward and optimizer together, with the sizes and batches of the default settings.
Products that are too thin to be fast lower it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from bench_training import POINTS, matmul_rate
from measuring import SIZE, Figure, cpu_time, report
from torch.utils.flop_counter import FlopCounterMode

import latent_core
from latent_core.config import ModelSettings, read_settings
from latent_core.models import make_model
from latent_core.stepping import Stepper

LEAST = 30.0  # per cent
STEPS = 2 if SIZE == "tiny" else 12
SQUARE = 2048


def batch_of(model: ModelSettings, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Return one made-up batch of what a network reads."""
    rng = np.random.default_rng(0)
    shape = (model.training.batch, model.sizes.get("size", POINTS[model.kind]))
    given = {
        "x": rng.random(shape, np.float32),
        "error": np.full(shape, 0.1, np.float32),
        "phase": np.sort(rng.random(shape, np.float32), axis=1),
        "mask": np.ones(shape, bool),
    }
    return {name: torch.from_numpy(given[name]) for name in names}


def measure(model: ModelSettings, peak: float) -> list[Figure]:
    torch.manual_seed(0)
    settings = model.training
    network = make_model(model.kind, **model.sizes)
    batch = batch_of(model, tuple(network.inputs))
    stepper = Stepper(network.trained(settings.beta), settings)

    def step() -> None:
        stepper.step(network.loss(batch, settings.beta).total, settings.learning_rate)

    with FlopCounterMode(display=False) as counter:
        network.loss(batch, settings.beta).total.backward()
    seconds = cpu_time(step, 5, STEPS)
    achieved = 1e-9 * counter.get_total_flops() / seconds
    size = len(batch["x"])
    name = f"training {model.kind}, batch {size}"
    said = f"of a {SQUARE:,}-square product"
    return [
        Figure(name, size / seconds, "samples/CPU s"),
        Figure(f"{name}: matrix products", achieved, "GFlop/s", peak, said, physical=True),
        Figure(f"{name}: share of the matrix rate", 100 * achieved / peak, "%", limit=LEAST),
    ]


def main() -> None:
    torch.set_num_threads(1)
    file = Path(latent_core.__file__).parent / "default.toml"
    models = read_settings(file).models.values()
    peak = matmul_rate(SQUARE, SQUARE, SQUARE)
    report("vaes", [figure for model in models for figure in measure(model, peak)])


if __name__ == "__main__":
    main()
