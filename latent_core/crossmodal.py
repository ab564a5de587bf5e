"""One modality from the others: what the sources most alike in the known blocks look like.

No network is trained for it: the 50 nearest sources in the known blocks give a sample of the
unknown block, whose spread is the uncertainty. Where the known blocks say little, the sample is
as wide as the whole population, and the picture shows it (issue: a light curve's shape is not
promised by a spectrum alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import InputError
from latent_core.modalities import Curve, Grid

if TYPE_CHECKING:
    from latent_core.latent_space import LatentSpace

NEIGHBORS = 50
LOW, MIDDLE, HIGH = 16, 50, 84


@dataclass(frozen=True)
class Predicted:
    """A sample of a block that a source lacks: `latents` (k, K_block) of catalog `rows` (k,)."""

    block: str
    known: tuple[str, ...]
    rows: NDArray[np.int64]
    latents: NDArray[np.float32]


def predict_block(
    space: LatentSpace,
    latents: NDArray[np.floating],
    block: str,
    *,
    neighbors: int = NEIGHBORS,
    where: NDArray[np.bool_] | None = None,
) -> Predicted:
    """Predict a block of a point (K,) from its other blocks.

    `where` (N,) allows catalog rows as neighbors. Raises InputError for an unknown block, or a
    point that has no other block.
    """
    if block not in space.blocks:
        raise InputError(f"block {block!r} is not in space {space.name!r}")
    given = np.array(latents, np.float32)
    given[space.blocks[block]] = np.nan
    known = space.known_blocks(given)
    if not known:
        raise InputError(f"nothing is known from which {block} could be predicted")
    rows = space.similar_to(given, neighbors, where=where)["row"].to_numpy()
    return Predicted(block, known, rows, np.asarray(space.latents[rows, space.blocks[block]]))


def predicted_curves(space: LatentSpace, predicted: Predicted) -> tuple[Curve | Grid, ...]:
    """Decode a sample into its median curves with half their 16-84 % spread; () for no model."""
    if predicted.block not in space.models:
        return ()
    model = space.bundle.model(space.models[predicted.block])
    drawn = [model.curves(latents, None) for latents in predicted.latents]
    return tuple(_median(same) for same in zip(*drawn, strict=True))


def _median(drawn: Sequence[Curve | Grid]) -> Curve | Grid:
    first = drawn[0]
    if isinstance(first, Grid):
        return replace(first, z=np.median([g.z for g in drawn if isinstance(g, Grid)], axis=0))
    values = [curve.y for curve in drawn if isinstance(curve, Curve)]
    low, middle, high = np.percentile(values, [LOW, MIDDLE, HIGH], axis=0)
    return replace(first, y=middle, y_error=(high - low) / 2)


def prediction_skill(
    space: LatentSpace, block: str, *, asked: int = 1000, seed: int = 0
) -> dict[str, float | int]:
    """Measure predicting a block that is known: leave the source itself out and compare.

    Returns `explained`, the share of the block's z-scored variance that the sample's median
    explains (0: no better than the mean of all), and `coverage_percent`, how often the truth lies
    within 16-84 % of the sample (68 % asked for), over `sources` random sources.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(space.present, min(asked, len(space.present)), replace=False)
    part = space.blocks[block]
    middle, inside = [], []
    for row in rows:
        others = np.ones(len(space.latents), bool)
        others[row] = False
        sample = predict_block(space, space.latents[row], block, where=others).latents
        low, median, high = np.percentile(sample, [LOW, MIDDLE, HIGH], axis=0)
        truth = space.latents[row, part]
        middle.append((median - truth) / space.scaling.spread[part])
        inside.append((truth >= low) & (truth <= high))
    return {
        "explained": float(1 - np.mean(np.square(middle))),
        "coverage_percent": 100 * float(np.mean(inside)),
        "sources": len(rows),
        "neighbors": NEIGHBORS,
    }
