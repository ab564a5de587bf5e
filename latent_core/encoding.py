"""Trained models on disk, and encoding sources with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import Folder, StageWriter
from latent_core.errors import FolderError
from latent_core.modalities import Constants, Curve, Grid, Modality, Observations, load_modality
from latent_core.models import make_model
from latent_core.products import item_of_row

if TYPE_CHECKING:
    from latent_core.models.vae import VAE

_CONSTANT = "constant."
BATCH = 8192


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
    """Encode all rows of the arrays into posterior means and sigmas, (M, K) each."""
    import torch

    count = len(arrays["x"])
    means = np.empty((count, network.latents), np.float32)
    sigmas = np.empty_like(means)
    with torch.inference_mode():
        for start in range(0, count, BATCH):
            part = slice(start, start + BATCH)
            batch = {n: torch.from_numpy(np.array(arrays[n][part])) for n in network.inputs}
            posterior = network.encode(batch)
            means[part], sigmas[part] = posterior.mean.numpy(), posterior.sigma.numpy()
    return means, sigmas


def decode_at(
    network: VAE, latents: NDArray[np.float32], arrays: Mapping[str, NDArray]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decode latents (M, K) at each row's own points: its phases, or the model's own grid.

    Phased rows go shortest first, each batch cut after its longest row: most are far shorter than
    the array, and what lies beyond a row's mask is zero.
    """
    if "phase" not in arrays:
        return decode(network, latents)
    import torch

    mask = arrays["mask"]
    mean, scatter = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    by_length = np.argsort(mask.sum(axis=1), kind="stable")
    with torch.inference_mode():
        for rows in np.array_split(by_length, max(1, len(by_length) // 1024)):
            longest = max(1, int(mask[rows[-1]].sum()))
            phase = torch.from_numpy(np.array(arrays["phase"][rows, :longest]))
            decoded = network.decode(torch.from_numpy(np.array(latents[rows])), phase)
            mean[rows, :longest] = decoded.mean.numpy()
            scatter[rows, :longest] = decoded.sigma.numpy()
    return mean, scatter


def noise_scatter(
    network: VAE, arrays: Mapping[str, NDArray], draws: int, seed: int
) -> NDArray[np.float32]:
    """Return how far a source's own noise moves its latents, (M, K): one sigma.

    The encoder sees x + error * N(0, 1) `draws` (two or more) times; the scatter of the means is
    returned. The posterior's own sigma knows nothing of a star's brightness
    (scatter-vae-2024.md, 5.2). Errors are taken as independent: correlations are not known.
    """
    import torch

    rng = np.random.default_rng(seed)
    scatter = np.empty((len(arrays["x"]), network.latents), np.float32)
    with torch.inference_mode():
        for start in range(0, len(scatter), BATCH):
            part = slice(start, start + BATCH)
            batch = {n: torch.from_numpy(np.array(arrays[n][part])) for n in network.inputs}
            error = np.where(arrays["mask"][part], arrays["error"][part], 0).astype(np.float32)
            x = batch["x"]
            drawn = []
            for _ in range(draws):
                noise = error * rng.standard_normal(error.shape, np.float32)
                batch["x"] = x + torch.from_numpy(noise)
                drawn.append(network.encode(batch).mean)
            scatter[part] = torch.stack(drawn).std(dim=0).numpy()
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


def save_observations(writer: StageWriter, modality: str, observations: Observations) -> None:
    """Write model input, one file an array."""
    base = f"inputs/{modality}"
    writer.save_array(f"{base}/rows.npy", observations.rows)
    writer.save_array(f"{base}/scales.npy", observations.scales)
    for name, array in observations.arrays.items():
        writer.save_array(f"{base}/array_{name}.npy", array)


def has_observations(folder: Folder, name: str) -> bool:
    """Tell whether a bundle holds what a model was given (published latents come without)."""
    return f"inputs/{name}/rows.npy" in folder


def load_observations(folder: Folder, modality: str) -> Observations:
    """Open model input as memory maps."""
    base = f"inputs/{modality}/"
    arrays = {
        name[len(base) + len("array_") : -len(".npy")]: folder.array(name)
        for name in folder.names(base + "array_")
    }
    return Observations(folder.array(base + "rows.npy"), arrays, folder.array(base + "scales.npy"))


def of_all_rows(folder: Folder, model: str, file: str) -> NDArray[np.float32]:
    """Return an array of a model for all catalog rows (N, k), NaN where it has none."""
    base = f"models/{model}"
    size = folder.array(f"{base}/latents.npy").shape[1]
    spread = np.full((len(folder.catalog), size), np.nan, np.float32)
    if f"{base}/{file}.npy" in folder:
        spread[load_observations(folder, model).rows] = folder.array(f"{base}/{file}.npy")
    return spread


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
