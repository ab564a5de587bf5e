"""Training: one loop for every model, straight from arrays, resumable to the same bytes.

No DataLoader: a batch is an index into arrays in memory, which on a CPU is several times faster
for networks this small (speed.md, 6). The best weights on the validation split are kept.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent_core.config import SplitSettings, TrainingSettings
from latent_core.errors import LatentError
from latent_core.feeding import Feed
from latent_core.hashing import STEP, mixed
from latent_core.stepping import Stepper

if TYPE_CHECKING:
    import torch

    from latent_core.models.vae import VAE

TRAIN, VALIDATION, TEST = 0, 1, 2
SPLIT_NAMES = ("train", "validation", "test")
WARM_UP = 0.05
CHECKPOINT_SECONDS = 5.0
Progress = Callable[[int, int, str], None]


def split_of(source_id: NDArray[np.int64], settings: SplitSettings) -> NDArray[np.uint8]:
    """Assign each source to TRAIN, VALIDATION or TEST by a hash of its id (splitmix64), (N,).

    A source keeps its side in every survey and build with the same seed; neighbors on the sky,
    whose ids are close, are not kept together.
    """
    x = mixed(source_id, (settings.seed + 1) * STEP)
    u = (x >> np.uint64(11)).astype(np.float64) / 2**53
    side = np.where(u < settings.test + settings.validation, VALIDATION, TRAIN)
    return np.where(u < settings.test, TEST, side).astype(np.uint8)


@dataclass(frozen=True)
class Epoch:
    """One line of the history: losses of training and validation."""

    epoch: int
    train: float
    train_reconstruction: float
    train_divergence: float
    validation: float
    validation_reconstruction: float
    validation_divergence: float
    learning_rate: float


@dataclass
class _Run:
    """What a checkpoint must hold to go on as if nothing had happened."""

    network: VAE
    stepper: Stepper
    history: list[Epoch]
    best: dict[str, torch.Tensor]
    best_loss: float = math.inf

    @property
    def best_epoch(self) -> int:
        losses = [epoch.validation for epoch in self.history]
        return int(np.argmin(losses)) if losses else -1


def train(
    network: VAE,
    arrays: Mapping[str, NDArray],
    side: NDArray[np.uint8],
    settings: TrainingSettings,
    *,
    checkpoint: Path | None = None,
    progress: Progress = lambda epoch, epochs, text: None,
) -> list[Epoch]:
    """Train in place on rows with side TRAIN, stop early on VALIDATION, keep the best weights.

    `arrays` are the model's inputs, (M, ...), `side` (M,). With a `checkpoint` file, an
    interrupted run goes on where it was and ends in the same weights. Returns the history.
    Raises LatentError where a split is empty or the loss is not finite. A network without
    parameters is left as it is: its history is empty.
    """
    import torch

    if not any(True for _ in network.parameters()):
        return []
    rows = {name: np.flatnonzero(side == s) for s, name in enumerate(SPLIT_NAMES)}
    if len(rows["train"]) < 2 or not len(rows["validation"]):
        raise LatentError(
            f"{len(side)} usable sources are too few to train on: the training split holds "
            f"{len(rows['train'])}, the validation split {len(rows['validation'])}; bring more"
        )
    data = Feed(arrays, network.inputs)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        run = _Run(network, Stepper(network.trained(settings.beta), settings), [], {})
        _resume(run, checkpoint)
        _epochs(run, data, rows, settings, checkpoint, progress)
    network.load_state_dict(run.best)
    network.eval()
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return run.history


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch to one thread: two cost 1.6 times the CPU time and end in other bytes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _epochs(
    run: _Run,
    data: Feed,
    rows: Mapping[str, NDArray[np.int64]],
    settings: TrainingSettings,
    checkpoint: Path | None,
    progress: Progress,
) -> None:
    train_rows, held_out = rows["train"], rows["validation"]
    saved = time.monotonic()
    while len(run.history) < settings.epochs:
        epoch = _one_epoch(run, data, train_rows, held_out, settings)
        if not math.isfinite(epoch.train):
            raise LatentError(
                f"training diverged in epoch {epoch.epoch}; lower learning_rate in the config"
            )
        run.history.append(epoch)
        if epoch.validation < run.best_loss:
            run.best_loss = epoch.validation
            run.best = {n: t.detach().clone() for n, t in run.network.state_dict().items()}
        progress(epoch.epoch, settings.epochs, f"validation loss {epoch.validation:.3f}")
        if epoch.epoch - 1 - run.best_epoch >= settings.patience:
            break
        if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save_checkpoint(run, checkpoint)
            saved = time.monotonic()


def _one_epoch(
    run: _Run,
    data: Feed,
    rows: NDArray[np.int64],
    held_out: NDArray[np.int64],
    settings: TrainingSettings,
) -> Epoch:
    run.network.train()
    batch = min(settings.batch, len(rows))
    steps = len(rows) // batch
    done = len(run.history) * steps
    sums = np.zeros(3)
    rate = settings.learning_rate
    for step, part in enumerate(data.epoch(rows, batch)):
        rate = learning_rate(settings, done + step, settings.epochs * steps)
        given = data.batch(part)
        if settings.thin and "phase" in given:
            given = thinned(given, settings.thin)
        loss = run.network.loss(given, settings.beta)
        run.stepper.step(loss.total, rate)
        sums += [x.item() for x in (loss.total, loss.reconstruction, loss.divergence)]
    trained = sums / steps
    checked = validation_loss(run.network, data, held_out, settings.beta)
    return Epoch(
        epoch=len(run.history) + 1,
        train=float(trained[0]),
        train_reconstruction=float(trained[1]),
        train_divergence=float(trained[2]),
        validation=float(checked[0]),
        validation_reconstruction=float(checked[1]),
        validation_divergence=float(checked[2]),
        learning_rate=rate,
    )


def thinned(batch: Mapping[str, torch.Tensor], most: float) -> dict[str, torch.Tensor]:
    """Leave out points of curves, arrays (B, P), at random: of each a share of 0 to `most`.

    Points that stay keep their order and stand first; a curve that would be left with fewer than
    its modality takes stays whole. A curve seen at other epochs is the same source, which teaches
    more than the same epochs again.
    """
    import torch

    from latent_core.modalities.light_curves import FEWEST_POINTS

    mask = batch["mask"]
    kept = mask & (torch.rand(mask.shape) >= torch.rand(len(mask), 1) * most)
    kept = torch.where(kept.sum(dim=1, keepdim=True) < FEWEST_POINTS, mask, kept)
    order = torch.argsort((~kept).int(), dim=1, stable=True)
    moved = {n: t.gather(1, order) for n, t in {**batch, "mask": kept}.items()}
    return {n: t * moved["mask"] for n, t in moved.items()}


def validation_loss(
    network: VAE, data: Feed, rows: NDArray[np.int64], beta: float
) -> NDArray[np.float64]:
    """Return total, reconstruction and divergence at the posterior means, averaged over rows."""
    import torch

    network.eval()
    sums = np.zeros(3)
    with torch.no_grad():
        for part in data.checks(rows):
            loss = network.loss(data.batch(part), beta)
            values = [x.item() for x in (loss.total, loss.reconstruction, loss.divergence)]
            sums += len(part) * np.array(values)
    return sums / len(rows)


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """Return the rate of a step: `constant`, or `one-cycle` (linear warm-up, cosine to 0)."""
    if settings.schedule == "constant":
        return settings.learning_rate
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    turn = (step - warm) / max(1, steps - warm)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * turn))


def _save_checkpoint(run: _Run, file: Path) -> None:
    """Write all that a run needs to go on, in safetensors (torch's own files are pickles)."""
    import torch
    from safetensors.torch import save_file

    tensors = {f"now.{n}": t for n, t in run.network.state_dict().items()}
    tensors |= {f"best.{n}": t for n, t in run.best.items()}
    tensors |= {f"optimizer.{n}": t for n, t in run.stepper.state().items()}
    tensors["random"] = torch.get_rng_state()
    about = {"history": json.dumps([asdict(e) for e in run.history]), "best": repr(run.best_loss)}
    partial = file.with_name(file.name + ".partial")
    save_file({n: t.contiguous().clone() for n, t in tensors.items()}, partial, about)
    partial.replace(file)


def _resume(run: _Run, file: Path | None) -> None:
    """Take up a checkpoint; one that does not fit the network is left aside and overwritten."""
    import torch
    from safetensors import safe_open

    if file is None or not file.is_file():
        return
    with safe_open(file, framework="pt") as saved:
        about = saved.metadata()
        tensors = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118
    now = _below(tensors, "now.")
    state = _below(tensors, "optimizer.")
    wanted = {n: t.shape for n, t in run.network.state_dict().items()}
    each_apart = any("." in name for name in state)  # as earlier code wrote it
    if {n: t.shape for n, t in now.items()} != wanted or each_apart:
        return
    run.network.load_state_dict(now)
    run.best = _below(tensors, "best.")
    run.best_loss = float(about["best"])
    run.history = [Epoch(**epoch) for epoch in json.loads(about["history"])]
    run.stepper.load_state(state)
    torch.set_rng_state(tensors["random"])


def _below(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}


def history_csv(history: list[Epoch]) -> str:
    """Return the history as CSV text."""
    lines = [",".join(asdict(history[0]))] if history else []
    lines += [",".join(repr(v) for v in asdict(epoch).values()) for epoch in history]
    return "\n".join(lines) + "\n"
