"""Checkpoints of the published systems, read without pickles into our own classes.

Huijse et al. 2025 (release of December 2025, huijse-2025.md 6.3 and 7) and Laroche & Speagle
2024 (scatter-vae-2024.md, 2.2). Only tensors are read (`weights_only=True`); names are translated
one by one, and a checkpoint that lacks a tensor, or has one of another shape, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from latent_core.models import make_model
from latent_core.models.projector import Projector
from latent_core.models.vae import VAE

# A residual block's two layers, alike in every network of the release.
_BLOCK = {r"\.fc1\.": ".first.", r"\.fc2\.": ".second."}
RELEASED_VAES: dict[str, tuple[str, dict[str, str]]] = {
    "xp": (
        "residual",
        {
            r"^encoder\.nnet\.nnet\.5": "head",
            r"^encoder\.nnet\.nnet": "encoder",
            r"^decoder\.nnet\.nnet\.5": "out",
            r"^decoder\.nnet\.nnet": "decoder",
        },
    ),
    "fold": (
        "folded",
        {
            r"^encoder\.rnn": "recurrent",
            r"^encoder\.attention": "attention",
            r"^encoder\.latent": "head",
            r"^decoder\.layers\.4": "out",
            r"^decoder\.layers": "decoder",
            r"^decoder_variance\.nnet\.2\.fc": "noise.2",
            r"^decoder_variance\.nnet\.3": "noise.4",
            r"^decoder_variance\.nnet": "noise",
        },
    ),
    "dmdt": ("dmdt", {r"^encoder\.4": "head", r"^decoder\.2": "out"}),
}
_PROJECTOR = {r"^encoder\.5": "out", r"^encoder": "body"}
LAYERS_OF_A_STEP = 3  # Linear, BatchNorm, GELU stand side by side in our scatter VAE


def released_vae(which: str, file: Path) -> VAE:
    """Read one VAE of Huijse et al.'s release: `xp`, `fold` or `dmdt`; raises ValueError."""
    kind, names = RELEASED_VAES[which]
    network = make_model(kind)
    _fill(network, _renamed(_tensors(file), {**names, **_BLOCK}))
    return network


def released_projector(file: Path) -> Projector:
    """Read the release's parametric UMAP; its decoder is untrained and left aside."""
    state = _renamed(_tensors(file), {**_PROJECTOR, **_BLOCK})
    if "body.0.weight" not in state:
        raise ValueError("it is not the checkpoint of a projector")
    network = Projector(state["body.0.weight"].shape[1])
    _fill(network, state)
    return network


def scatter_vae(file: Path) -> VAE:
    """Read the weights of Laroche & Speagle 2024; raises ValueError for another file."""
    state = {_scatter_name(name): tensor for name, tensor in _tensors(file).items()}
    first, mean = state.get("encoder.0.weight"), state.get("mean.weight")
    if first is None or mean is None:
        raise ValueError("it is not the checkpoint of a scatter VAE")
    network = make_model("scatter", size=first.shape[1], latents=len(mean), body="published")
    _fill(network, state)
    return network


def _tensors(file: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors, on the CPU whatever machine saved it."""
    saved = torch.load(file, map_location="cpu", weights_only=True)
    state = saved.get("model_state_dict", saved) if isinstance(saved, Mapping) else None
    if state is None or not all(isinstance(t, Tensor) for t in state.values()):
        raise ValueError("it holds no plain state dict")
    return dict(state)


def _renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in state.items():
        for old, new in names.items():
            name = re.sub(old, new, name)
        renamed[name] = tensor
    return renamed


def _scatter_name(name: str) -> str:
    part, _, rest = name.partition(".")
    if part in ("mu", "log_var"):
        return f"{'mean' if part == 'mu' else 'log_variance'}.{rest}"
    step, _, tail = rest.partition(".")
    if part == "encoder":
        return f"encoder.{_flat(int(step), tail)}"
    if step == "0":
        return name
    layer, _, what = tail.partition(".")
    if layer == "0" and step == "5":
        return f"{part}.2.{what}"
    return f"{part}.1.{_flat(int(step) - 1, tail)}"


def _flat(step: int, tail: str) -> str:
    layer, _, what = tail.partition(".")
    return f"{LAYERS_OF_A_STEP * step + int(layer)}.{what}"


def _fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Take the tensors that a network has; raises ValueError where one is missing or unfit."""
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise ValueError(f"it has no tensor for {name}")
        if state[name].shape != tensor.shape:
            raise ValueError(
                f"{name} has the shape {tuple(state[name].shape)}, {tuple(tensor.shape)} expected"
            )
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"{name} has a value that is not finite")
    network.load_state_dict({name: state[name] for name in wanted})
    network.eval()
