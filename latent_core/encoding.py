"""Trained models on disk, and encoding sources with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import Folder, StageWriter
from latent_core.errors import FolderError
from latent_core.inputs import has_observations, load_observations
from latent_core.modalities import Constants, Curve, Grid, Modality, Observations, load_modality
from latent_core.models import make_model
from latent_core.products import item_of_row

if TYPE_CHECKING:
    import torch

    from latent_core.models.vae import VAE

_CONSTANT = "constant."
# Rows whose activations stay within a core's second cache (2 MB)
BATCH = 1024
CURVE_BATCH = 256


@dataclass(frozen=True)
class Weights:
    """A trained network, the constants of its modality, and what is known of how it was made."""

    network: VAE
    constants: Constants
    about: Mapping[str, Any]


@dataclass(frozen=True)
class TrainedModel:
    """A network with its modality, its fitted constants, and what it was given and gave here.

    `latents` (M, K) belong to the catalog rows `rows` (M,): those of `observations`, or, for
    published latents that came without their observations, rows of their own.
    """

    modality: Modality
    constants: Constants
    network: VAE
    about: Mapping[str, Any]
    observations: Observations | None
    rows: NDArray[np.int64]
    latents: NDArray[np.float32]

    def scales_of(self, row: int) -> NDArray[np.float64] | None:
        """Return the scales of a catalog row, None where it lacks this modality."""
        item = item_of_row(self.rows, row)
        if item is None or self.observations is None:
            return None
        return np.asarray(self.observations.scales[item])

    def curves(
        self, latents: NDArray[np.floating], scales: NDArray[np.float64] | None
    ) -> tuple[Curve | Grid, ...]:
        """Decode one point (K,) into physical curves; `scales` None: a reference source."""
        mean, sigma = decode(self.network, latents[None], self.modality.decode_points())
        return self.modality.decoded(mean[0], sigma[0], scales, self.constants)


def decode(
    network: VAE, latents: NDArray[np.floating], points: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decode rows (B, K) into mean and scatter (B, P); `points` (P,) are phases, where needed."""
    import torch

    z = torch.from_numpy(np.array(latents, np.float32))
    at = None if points is None else torch.from_numpy(points).expand(len(z), -1)
    with torch.inference_mode():
        decoded = network.decode(z, at)
    return decoded.mean.numpy(), decoded.sigma.numpy()


def encode(
    network: VAE, arrays: Mapping[str, NDArray]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Encode all rows of the arrays into posterior means and sigmas, (M, K) each.

    A row's last bits may depend on the rows that it is encoded with: products of matrices sum in
    another order for other shapes. The same rows in the same order give the same bytes.
    """
    import torch

    count = len(arrays["x"])
    means = np.empty((count, network.latents), np.float32)
    sigmas = np.empty_like(means)
    with torch.inference_mode():
        for rows, batch in batches(arrays, network.inputs):
            posterior = network.encode(batch)
            means[rows], sigmas[rows] = posterior.mean.numpy(), posterior.sigma.numpy()
    return means, sigmas


def batches(
    arrays: Mapping[str, NDArray], names: Iterable[str]
) -> Iterator[tuple[slice | NDArray[np.int64], dict[str, torch.Tensor]]]:
    """Cut arrays (M, ...) into batches that fit a core's cache: their rows, and tensors by name.

    Light curves go shortest first, each batch cut after its longest curve: most are far shorter
    than the array, and what lies beyond a row's mask is zero.
    """
    import torch

    if "phase" not in arrays:
        for start in range(0, len(arrays["x"]), BATCH):
            part = slice(start, start + BATCH)
            yield part, {n: torch.from_numpy(np.array(arrays[n][part])) for n in names}
        return
    length = np.asarray(arrays["mask"]).sum(axis=1)
    by_length = np.argsort(length, kind="stable")
    for start in range(0, len(length), CURVE_BATCH):
        rows = by_length[start : start + CURVE_BATCH]
        longest = max(1, int(length[rows[-1]]))
        yield rows, {n: torch.from_numpy(np.array(arrays[n][rows, :longest])) for n in names}


def decode_at(
    network: VAE, latents: NDArray[np.float32], arrays: Mapping[str, NDArray]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decode latents (M, K) at each row's own points: its phases, or the model's own grid."""
    if "phase" not in arrays:
        return decode(network, latents)
    import torch

    shape = arrays["mask"].shape
    mean, scatter = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    with torch.inference_mode():
        for rows, batch in batches(arrays, ("phase",)):
            decoded = network.decode(torch.from_numpy(np.array(latents[rows])), batch["phase"])
            cut = slice(0, batch["phase"].shape[1])
            mean[rows, cut] = decoded.mean.numpy()
            scatter[rows, cut] = decoded.sigma.numpy()
    return mean, scatter


def noise_scatter(
    network: VAE, arrays: Mapping[str, NDArray], draws: int, seed: int | Sequence[int]
) -> NDArray[np.float32]:
    """Return how far a source's own noise moves its latents, (M, K): one sigma.

    The encoder sees x + error * N(0, 1) `draws` (two or more) times; the scatter of the means is
    returned. The posterior's own sigma knows nothing of a star's brightness
    (scatter-vae-2024.md, 5.2). Errors are taken as independent: correlations are not known.
    """
    import torch

    rng = np.random.default_rng(seed)
    scatter = np.empty((len(arrays["x"]), network.latents), np.float32)
    names = {*network.inputs, "error", "mask"}
    with torch.inference_mode():
        for rows, batch in batches(arrays, sorted(names)):
            error = np.where(batch["mask"].numpy(), batch["error"].numpy(), 0).astype(np.float32)
            x = batch["x"]
            drawn = []
            for _ in range(draws):
                noise = error * rng.standard_normal(error.shape, np.float32)
                batch["x"] = x + torch.from_numpy(noise)
                drawn.append(network.encode(batch).mean)
            scatter[rows] = torch.stack(drawn).std(dim=0).numpy()
    return scatter


def save_weights(writer: StageWriter, folder: str, weights: Weights) -> None:
    """Write weights and constants into one safetensors file, and `model.json` beside it."""
    from safetensors.numpy import save_file

    state = weights.network.state_dict()
    tensors = {name: t.detach().cpu().numpy() for name, t in state.items()}
    tensors |= {_CONSTANT + name: np.asarray(c) for name, c in weights.constants.items()}
    name = f"{folder}/model.safetensors"
    save_file({n: np.ascontiguousarray(t) for n, t in tensors.items()}, writer.path(name))
    writer.add(name)
    writer.save_json(f"{folder}/model.json", dict(weights.about))


def read_network(weights: Path, about: Mapping[str, Any]) -> tuple[VAE, Constants]:
    """Rebuild a network from its safetensors file and its description (`kind`, `sizes`)."""
    import torch
    from safetensors.numpy import load_file

    tensors = load_file(weights)
    constants = {n[len(_CONSTANT) :]: t for n, t in tensors.items() if n.startswith(_CONSTANT)}
    network = make_model(about["kind"], **about["sizes"])
    state = {n: torch.from_numpy(t) for n, t in tensors.items() if not n.startswith(_CONSTANT)}
    if not all(torch.isfinite(t).all() for t in state.values()):
        raise FolderError(f"{weights}: a weight is not finite; train the model again")
    network.load_state_dict(state)
    return network.eval(), constants


def load_model(folder: Folder, name: str) -> TrainedModel:
    """Open a trained model of a bundle; raises FolderError where it has none."""
    weights = f"models/{name}/model.safetensors"
    if weights not in folder:
        raise FolderError(f"{folder.path} has no model {name}; run gaia-latent train")
    about = folder.json(f"models/{name}/model.json")
    network, constants = read_network(folder.file(weights), about)
    given = load_observations(folder, name) if has_observations(folder, name) else None
    rows = folder.array(f"models/{name}/rows.npy") if given is None else given.rows
    latents = folder.array(f"models/{name}/latents.npy")
    modality = load_modality(about["modality"])
    return TrainedModel(modality, constants, network, about, given, rows, latents)
