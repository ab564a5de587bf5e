"""The masked autoencoder of McKay & Fabbro 2025: a star as a table of numbers, any of them absent.

Facts of masked-stellar-autoencoder.md, 2, with its defects (5) avoided: missing and masked are
told apart, every normalisation is its own, the reconstruction loss counts entries that are masked
AND present, and nothing that is predicted is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from latent_core.models.vae import MIN_VARIANCE, VAE, Batch, Loss, Normal

LEVELS = (0.16, 0.5, 0.84)
FREQUENCY_START = 0.01
HELD_OUT_SEED = 0
ABSOLUTE_TO_SIGMA = math.sqrt(math.pi / 2)  # of a normal distribution
SCATTER_MEMORY = 0.99
POINT_SIGMA = math.sqrt(MIN_VARIANCE)  # the latents are points; a VAE's sigma is never 0


class Embedding(nn.Module):
    """Give every column its own tokens (B, C, width); missing and masked have their own each.

    With `frequencies` the scalar goes through learned sines and cosines (periodic embedding, as
    published with 48 and width 16); with 0 it goes straight into the column's linear layer.
    """

    def __init__(self, columns: int, width: int, frequencies: int = 0) -> None:
        super().__init__()
        features = 2 * frequencies or 1
        bound = 1 / math.sqrt(features)
        start = FREQUENCY_START * torch.randn(columns, frequencies)
        self.frequencies = nn.Parameter(start) if frequencies else None
        self.weight = nn.Parameter(torch.empty(columns, features, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(columns, width))
        self.missing = nn.Parameter(0.1 * torch.randn(columns, width))
        self.masked = nn.Parameter(0.1 * torch.randn(columns, width))

    def forward(self, x: Tensor, present: Tensor, hidden: Tensor) -> Tensor:
        """Embed x (B, C); a value that is absent or hidden never reaches the network."""
        shown = present & ~hidden
        # hot stars' coefficients lie tens of spreads out
        clean = torch.asinh(torch.where(shown, x, torch.zeros_like(x)))[..., None]
        if self.frequencies is None:
            tokens = clean * self.weight[:, 0] + self.bias
        else:
            turns = 2 * math.pi * self.frequencies * clean
            features = torch.cat([torch.cos(turns), torch.sin(turns)], dim=-1)
            tokens = torch.relu(torch.einsum("bcf,cfw->bcw", features, self.weight) + self.bias)
        absent = torch.where(present[..., None], self.masked, self.missing)
        return torch.where(shown[..., None], tokens, absent)


class MaskedBlock(nn.Module):
    """Linear, norm, ELU, dropout, Linear, norm, plus the skip; each norm is its own."""

    def __init__(self, size_in: int, size_out: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(size_in, size_out, bias=False),
            nn.LayerNorm(size_out),
            nn.ELU(),
            nn.Dropout(dropout),
            nn.Linear(size_out, size_out, bias=False),
            nn.LayerNorm(size_out),
        )
        self.skip: nn.Module = nn.Identity()
        if size_in != size_out:
            self.skip = nn.Sequential(
                nn.Linear(size_in, size_out, bias=False), nn.LayerNorm(size_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, size_in) to (B, size_out)."""
        return nn.functional.elu(self.body(x) + self.skip(x))


class QuantileHead(nn.Module):
    """Quantiles 16, 50, 84 of standardised labels, (B, L, 3), that cannot cross."""

    def __init__(self, latents: int, widths: Sequence[int], labels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size_in, size_out in pairwise([latents, *widths]):
            layers += [nn.Linear(size_in, size_out), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.out = nn.Linear(widths[-1], len(LEVELS) * labels)

    def forward(self, z: Tensor) -> Tensor:
        """Return q50 - softplus, q50, q50 + softplus."""
        middle, below, above = self.out(self.body(z)).chunk(len(LEVELS), dim=-1)
        down, up = nn.functional.softplus(below), nn.functional.softplus(above)
        return torch.stack([middle - down, middle, middle + up], dim=-1)


class MaskedAutoencoder(VAE):
    """Reconstruct what is masked and predict labels with quantiles.

    Of `columns` C inputs the `block` (first, end) is hidden as one in a fraction `block_rate` of
    the rows, and single entries of every second row with a rate drawn in [0, `element_rate`], so
    that rows as complete as those of use are seen too. Half of the rows show what is hidden as
    masked, half as missing: a network that never saw XP missing fails on stars without. `beta`
    of the loss is the weight of the labels: 0 pretrains, 0.8 is the published fine-tuning. The
    latents are points, their sigma a constant. The first `bands` columns are compared with
    `synthetic` photometry (weight `consistency`).
    Published size: latents 256, widths 2048 2048 1024 1024 512 512 256, frequencies 48,
    embedding 16, block_rate 0.9 and element_rate 0.6 for all rows.
    """

    inputs = ("x", "error", "mask", "synthetic", "synthetic_mask", "labels", "label_mask")

    def __init__(
        self,
        columns: int,
        latents: int = 32,
        *,
        block: Sequence[int],
        bands: int,
        labels: int = 4,
        widths: Sequence[int] = (256, 256, 128),
        decoder: Sequence[int] = (128, 256),
        head: Sequence[int] = (256, 128),
        embedding: int = 2,
        frequencies: int = 0,
        dropout: float = 0.0,
        block_rate: float = 0.5,
        element_rate: float = 0.6,
        consistency: float = 0.1,
    ) -> None:
        super().__init__()
        self.latents, self.columns, self.bands = latents, columns, bands
        self.block = slice(*block)
        self.block_rate, self.element_rate = block_rate, element_rate
        self.consistency = consistency
        self.embedding = Embedding(columns, embedding, frequencies)
        self.stem = nn.Linear(columns * embedding, widths[0])
        steps = pairwise([widths[0], *widths, latents])
        self.encoder = nn.Sequential(*(MaskedBlock(a, b, dropout) for a, b in steps))
        up = (MaskedBlock(a, b, dropout) for a, b in pairwise([latents, *decoder]))
        self.decoder = nn.Sequential(*up, nn.Linear(decoder[-1], columns))
        self.head = QuantileHead(latents, head, labels)
        self.scatter: Tensor
        self.register_buffer("scatter", torch.ones(columns))

    def latent(self, x: Tensor, present: Tensor, hidden: Tensor) -> Tensor:
        """Return latents (B, K) of x (B, C) where `present` and not `hidden`."""
        out: Tensor = self.encoder(self.stem(self.embedding(x, present, hidden).flatten(1)))
        return out

    def encode(self, batch: Batch) -> Normal:
        """Encode rows as they are; `hidden` (B, C), where the batch has it, is masked."""
        present = batch["mask"]
        hidden = batch["hidden"] if "hidden" in batch else torch.zeros_like(present)
        z = self.latent(batch["x"], present, hidden)
        return Normal(z, torch.full_like(z, POINT_SIGMA))

    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return all columns (B, C), and the scatter that masked entries had in training."""
        return Normal(self.decoder(z), self.scatter.expand(len(z), -1))

    def quantiles(self, z: Tensor) -> Tensor:
        """Return the labels' quantiles (B, L, 3) of latents (B, K), standardised."""
        out: Tensor = self.head(z)
        return out

    def draw_masks(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """Draw what to hide (B, C), and in which rows (B, 1) it shows as masked, not missing.

        In evaluation the same masks are drawn each time, so that epochs compare.
        """
        generator = None if self.training else torch.Generator().manual_seed(HELD_OUT_SEED)
        share, some, whole, shown = torch.rand(4, len(present), 1, generator=generator)
        rate = self.element_rate * share * (some < 0.5)
        hidden = torch.rand(present.shape, generator=generator) < rate
        hidden[:, self.block] |= whole < self.block_rate
        return hidden & present, shown < 0.5

    def loss(self, batch: Batch, beta: float) -> Loss:
        """Return (1 - beta) reconstruction + beta pinball; the latter stands as `divergence`."""
        present = batch["mask"]
        hidden, as_masked = self.draw_masks(present)
        z = self.latent(batch["x"], present & ~(hidden & ~as_masked), hidden & as_masked)
        decoded = self.decoder(z)
        off = entry_error(decoded, batch["x"], hidden)
        if self.training:
            self._remember(off.detach(), hidden)
        reconstruction = self._reconstruction(off, batch["error"], hidden)
        if self.consistency:
            made, known = batch["synthetic"], batch["synthetic_mask"]
            apart = entry_error(decoded[:, : self.bands], made, known)
            reconstruction = reconstruction + self.consistency * (
                apart.sum() / known.sum().clamp(min=1)
            )
        if not beta:
            return Loss(reconstruction, reconstruction, torch.zeros(()))
        labels = pinball(self.head(z), batch["labels"], batch["label_mask"])
        return Loss((1 - beta) * reconstruction + beta * labels, reconstruction, labels)

    def trained(self, beta: float) -> Iterator[nn.Parameter]:
        """Leave the labels' head out where `beta` gives it no weight."""
        names = dict(self.named_parameters())
        return (p for n, p in names.items() if beta or not n.startswith("head."))

    def _reconstruction(self, off: Tensor, error: Tensor, hidden: Tensor) -> Tensor:
        """Average misfits over the block and over all other columns, each half of the whole.

        110 coefficients would drown a handful of bands otherwise. An entry weighs 1 / (1 +
        error^2): in a faint star most coefficients of high order are noise.
        """
        weighed = off / (1 + error**2)
        within = torch.zeros(self.columns, dtype=torch.bool, device=off.device)
        within[self.block] = True
        halves = [
            weighed[:, part].sum() / hidden[:, part].sum().clamp(min=1)
            for part in (within, ~within)
        ]
        return sum(halves, off.new_zeros(())) / 2

    def _remember(self, off: Tensor, counted: Tensor) -> None:
        """Follow each column's scatter over the batches of training."""
        count = counted.sum(dim=0)
        now = ABSOLUTE_TO_SIGMA * off.sum(dim=0) / count.clamp(min=1)
        kept = SCATTER_MEMORY * self.scatter + (1 - SCATTER_MEMORY) * now
        self.scatter.copy_(torch.where(count > 0, kept, self.scatter))


def entry_error(decoded: Tensor, x: Tensor, counted: Tensor) -> Tensor:
    """Return |decoded - x| (B, C) where counted and 0 elsewhere, whatever x holds there."""
    return torch.abs(decoded - torch.where(counted, x, decoded.detach())) * counted


def pinball(quantiles: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Return the quantile loss of (B, L, 3) against labels (B, L), known entries only."""
    off = torch.where(known, labels, torch.zeros_like(labels))[..., None] - quantiles
    levels = torch.tensor(LEVELS, dtype=off.dtype, device=off.device)
    loss = torch.maximum(levels * off, (levels - 1) * off).sum(dim=-1)
    return (loss * known).sum() / known.sum().clamp(min=1)
