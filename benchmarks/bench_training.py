"""Training the default scatter VAE: our loop, two threads, and the same fed by a DataLoader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from measuring import Figure, cpu_time, report
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

import latent_core
from latent_core.config import ModelSettings, read_settings
from latent_core.encoding import encode
from latent_core.feeding import Feed
from latent_core.models import make_model
from latent_core.models.vae import VAE
from latent_core.stepping import Stepper
from latent_core.training import TRAIN, VALIDATION, train

COUNT = 20_480
ENCODED: dict[str, dict[str, object]] = {
    "scatter": {"size": 110, "body": "published"},
    "residual": {},
    "folded": {},
    "dmdt": {},
}
POINTS = {"scatter": 110, "residual": 100, "folded": 45, "dmdt": 200}  # a G curve's usual length
Batches = Callable[[], Iterable[Mapping[str, torch.Tensor]]]


def default_model() -> ModelSettings:
    file = Path(latent_core.__file__).parent / "default.toml"
    return read_settings(file).models["xp_coefficients"]


def network_of(model: ModelSettings) -> VAE:
    torch.manual_seed(0)
    return make_model(model.kind, **model.sizes)


def made_up_data(size: int) -> dict[str, torch.Tensor]:
    """Return standardised coefficients of six numbers a source, with errors."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((COUNT, 6)) @ rng.standard_normal((6, size)) / 6**0.5
    error = rng.uniform(0.05, 0.3, (COUNT, size))
    x += error * rng.standard_normal(x.shape)
    return {"x": torch.tensor(x).float(), "error": torch.tensor(error).float()}


def by_index(data: Mapping[str, torch.Tensor], batch: int) -> Iterator[dict[str, torch.Tensor]]:
    """Feed as latent_core.training does."""
    feed = Feed({name: tensor.numpy() for name, tensor in data.items()}, data)
    for rows in feed.epoch(np.arange(COUNT), batch):
        yield feed.batch(rows)


def by_loader(data: Mapping[str, torch.Tensor], batch: int) -> Batches:
    """Feed by torch's DataLoader, as most trainers do."""
    loader = DataLoader(TensorDataset(*data.values()), batch, shuffle=True)
    return lambda: (dict(zip(data, tensors, strict=True)) for tensors in loader)


def epoch_of(model: ModelSettings, batches: Batches) -> Callable[[], None]:
    """Return one epoch: the steps of latent_core.training, whatever feeds them."""
    network, settings = network_of(model), model.training
    stepper = Stepper(network.trained(settings.beta), settings)

    def epoch() -> None:
        for batch in batches():
            stepper.step(network.loss(batch, settings.beta).total, settings.learning_rate)

    return epoch


def rates(epoch: Callable[[], None], threads: int, repeats: int = 5) -> tuple[float, float]:
    """Return the best samples a CPU second and a wall second."""
    torch.set_num_threads(threads)
    epoch()
    cpu = wall = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        cpu = min(cpu, cpu_time(epoch, 1))
        wall = min(wall, time.perf_counter() - start)
    torch.set_num_threads(1)
    return COUNT / cpu, COUNT / wall


def whole_training(model: ModelSettings, data: Mapping[str, torch.Tensor]) -> float:
    """Return trained samples a CPU second of latent_core.training.train, validation included."""
    side = np.full(COUNT, TRAIN, np.uint8)
    side[: COUNT // 10] = VALIDATION
    settings = replace(model.training, epochs=3)
    arrays = {name: tensor.numpy() for name, tensor in data.items()}
    seconds = cpu_time(lambda: train(network_of(model), arrays, side, settings), 5)
    return settings.epochs * int((side == TRAIN).sum()) / seconds


def feeding_share(model: ModelSettings, data: Mapping[str, torch.Tensor]) -> float:
    """Return the percentage of an epoch that goes into shuffling and cutting batches."""
    batch = model.training.batch
    fixed = next(by_index(data, batch))
    stepping = epoch_of(model, lambda: (fixed for _ in range(COUNT // batch)))
    fed = epoch_of(model, lambda: by_index(data, batch))
    stepping(), fed()
    return 100 * (1 - cpu_time(stepping, 7) / cpu_time(fed, 7))


def encode_rate(kind: str) -> tuple[float, float]:
    """Return sources encoded a CPU second, and the GFlop/s of its matrix products."""
    network = make_model(kind, **ENCODED[kind]).eval()
    count = COUNT // 10 if kind == "folded" else COUNT
    arrays = made_up_inputs(kind, count)
    if kind != "folded":
        del arrays["phase"]
    with FlopCounterMode(display=False) as counter:
        encode(network, {name: array[:64] for name, array in arrays.items()})
    seconds = cpu_time(lambda: encode(network, arrays), 3)
    return count / seconds, 1e-9 * counter.get_total_flops() / 64 * count / seconds


def matmul_rate(rows: int, inner: int, columns: int, repeats: int = 10) -> float:
    """Return GFlop/s of one matrix product on one thread."""
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    return 2e-9 * rows * inner * columns / cpu_time(lambda: a @ b, repeats, 3)


def flops_of_a_sample(model: ModelSettings, data: Mapping[str, torch.Tensor]) -> float:
    """Count the matrix products of one step, forward and backward."""
    batch = {name: tensor[: model.training.batch] for name, tensor in data.items()}
    with FlopCounterMode(display=False) as counter:
        network_of(model).loss(batch, model.training.beta).total.backward()
    return counter.get_total_flops() / model.training.batch


def made_up_inputs(kind: str, count: int) -> dict[str, np.ndarray]:
    """Return inputs of any VAE; light curves have 45 points, the usual number."""
    rng, points = np.random.default_rng(0), POINTS[kind]
    return {
        "x": rng.random((count, points), np.float32),
        "error": np.full((count, points), 0.1, np.float32),
        "phase": np.sort(rng.random((count, points), np.float32), axis=1),
        "mask": np.ones((count, points), bool),
    }


def main() -> None:
    torch.set_num_threads(1)
    model = default_model()
    batch = model.training.batch
    data = made_up_data(model.sizes["size"])
    ours = epoch_of(model, lambda: by_index(data, batch))
    cpu, wall = rates(ours, 1)
    cpu_two, wall_two = rates(ours, 2)
    cpu_loader, _ = rates(epoch_of(model, by_loader(data, batch)), 1, 3)
    peak, small = matmul_rate(2048, 2048, 2048), matmul_rate(batch, 128, 128)
    achieved = 1e-9 * cpu * flops_of_a_sample(model, data)
    name = f"scatter VAE, batch {batch}"
    rate, wall_rate, flops = "samples/CPU s", "samples/wall s", "GFlop/s"
    figures = [
        Figure(f"{name}, our steps", cpu, rate, cpu_loader, "fed by torch's DataLoader"),
        Figure(f"{name}, our steps, 1 thread", cpu, rate, cpu_two, "with 2 threads"),
        Figure(f"{name}, our steps, 1 thread", wall, wall_rate, wall_two, "with 2 threads"),
        Figure(f"{name}, train() with its validation", whole_training(model, data), rate),
        Figure("its matrix products", achieved, flops, peak, "of a 2,048-square product"),
        Figure("its matrix products", achieved, flops, small, f"of {batch} x 128 x 128 products"),
    ]
    share = feeding_share(model, data)
    figures.append(Figure("shuffling and cutting batches", share, "% of an epoch", limit=20.0))
    for kind in ENCODED:
        sources, products = encode_rate(kind)
        figures.append(Figure(f"encode, {kind}, {POINTS[kind]} points", sources, "sources/CPU s"))
        said = "of a 2,048-square product"
        figures.append(Figure(f"encode, {kind}: matrix products", products, flops, peak, said))
    report("training", figures)


if __name__ == "__main__":
    main()
