"""Networks and variational autoencoders: torch only, nothing of ours.

Each class takes its sizes from keyword arguments (a config's table), eats a batch of named
tensors, and offers `encode(batch) -> Normal`, `decode(z, at) -> Normal` and `loss(batch, ...)`.
Mean and scatter always travel together. To add one: write its class and its line in `_REGISTRY`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latent_core.models.vae import VAE

_REGISTRY = {
    "scatter": "latent_core.models.scatter:ScatterVAE",
    "residual": "latent_core.models.residual:ResidualVAE",
    "folded": "latent_core.models.folded:FoldedVAE",
    "dmdt": "latent_core.models.dmdt:DmdtVAE",
    "identity": "latent_core.models.identity:Identity",
    "masked": "latent_core.models.masked:MaskedAutoencoder",
}


def model_kinds() -> tuple[str, ...]:
    """Names of all networks that the program knows."""
    return tuple(_REGISTRY)


def make_model(kind: str, **sizes: Any) -> VAE:
    """Build a network by its kind; KeyError for an unknown kind, TypeError for unknown sizes."""
    module, _, cls = _REGISTRY[kind].partition(":")
    model: VAE = getattr(import_module(module), cls)(**sizes)
    return model
