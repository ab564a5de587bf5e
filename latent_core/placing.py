"""New sources in a known space: encoded by its models, placed on its map, judged by its sources.

Nothing of the bundle changes. A source that lacks a modality keeps NaN in those latents, is placed
by the ones it has, and the table says so. A source that comes without data is looked up: the
catalog's own latents and place where it has them, else the reason why there are none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Folder, disk_errors
from latent_core.catalog import SOURCE_ID
from latent_core.encoding import encode
from latent_core.errors import InputError
from latent_core.latent_space import LatentSpace
from latent_core.modalities import Curve, Grid, Observations
from latent_core.products import PRODUCTS, Product, item_of_row, load_product
from latent_core.provenance import refuse_mixing, release_of
from latent_core.surveys.brought import Brought, bring
from latent_core.surveys.gaia_files import Progress
from latent_core.trust import OUTSIDE as FLAGGED
from latent_core.trust import judge_new

WRITERS = {
    ".parquet": lambda frame, file: frame.to_parquet(file, index=False),
    ".csv": lambda frame, file: frame.to_csv(file, index=False),
}
OUTSIDE = "farther from every source of the space than its sources are from each other"


NOT_HERE = "not in this bundle, and the file brings no spectrum or light curve"
PARAMETRIC = "the map's own projector"
BY_NEIGHBORS = "the median place of its three nearest sources"


@dataclass(frozen=True)
class Evidence:
    """What a block was encoded from: a raw product, the model's input, the model's name."""

    model: str
    product: Product
    given: Observations


@dataclass(frozen=True)
class Placed:
    """Sources in a space: latents (L, K), NaN where a block is missing; places (L, 2) on its map.

    `reason` says for each what is missing or unusual, "" where nothing is. `in_catalog` (L,) tells
    which the bundle holds, `encoded` (L,) which were encoded from data given here: only of those
    are latents and places new. `sigmas` (L, K) are the encoder's, NaN where nothing was encoded.
    `evidence` holds by block what was encoded; its catalog rows are the first sources of `self`.
    """

    source_id: NDArray[np.int64]
    latent_names: tuple[str, ...]
    latents: NDArray[np.float32]
    sigmas: NDArray[np.float32]
    coordinates: NDArray[np.float32]
    inside: NDArray[np.bool_]
    reason: tuple[str, ...]
    in_catalog: NDArray[np.bool_]
    encoded: NDArray[np.bool_]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """Columns: source_id, one a latent, x, y, inside_training_data, reason, in_catalog."""
        columns: dict[str, object] = {SOURCE_ID: self.source_id}
        columns |= dict(zip(self.latent_names, self.latents.T, strict=True))
        columns |= {"x": self.coordinates[:, 0], "y": self.coordinates[:, 1]}
        columns |= {"inside_training_data": self.inside, "reason": list(self.reason)}
        columns |= {"in_catalog": self.in_catalog}
        return pd.DataFrame(columns)

    def text(self) -> str:
        """Say how many were placed or found, and how."""
        parts = []
        if self.encoded.any():
            placed = int(np.isfinite(self.coordinates[self.encoded]).all(axis=1).sum())
            whole = int(np.isfinite(self.latents[self.encoded]).all(axis=1).sum())
            parts.append(
                f"{placed:,} of {int(self.encoded.sum()):,} sources placed, {whole:,} of them by "
                f"all latents; {int(self.inside[self.encoded].sum()):,} inside the training data"
            )
        if alone := int((~self.encoded).sum()):
            found = int((self.in_catalog & ~self.encoded).sum())
            parts.append(f"{found:,} of {alone:,} ids without data found in the catalog")
        parts.append(f"{int(self.in_catalog.sum()):,} are in the catalog")
        return "; ".join(parts)


def place_files(
    space: LatentSpace,
    files: Sequence[Path],
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[Placed, int]:
    """Read archive files of new sources, or lists of ids, place them, and write the table.

    Rows that could not be read are listed beside it (`rejected_file`), and counted.

    Raises InputError for files that cannot be used, an `out` of another kind, or a space without
    models; nothing is written then.
    """
    if out.suffix not in WRITERS:
        raise InputError(
            f"{out.name} is not a kind of table that is written",
            remedy=f"choose {' or '.join(WRITERS)}",
        )
    if out.exists() and not overwrite:
        raise InputError("exists already", file=out, remedy="choose another --out or --overwrite")
    with tempfile.TemporaryDirectory(prefix="gaia-latent-") as scratch:
        release = release_of(space.bundle.folder)
        brought = bring(files, Path(scratch), release=release, progress=progress)
        placed = place_brought(space, brought)
        _write(placed.frame(), out)
    if len(brought.rejected):
        _write(brought.rejected, rejected_file(out))
    return placed, len(brought.rejected)


def place_brought(space: LatentSpace, brought: Brought, projection: str | None = None) -> Placed:
    """Place what somebody brings: sources with data encoded, the others looked up, in that order.

    Raises InputError where there are data and the space has no model.
    """
    looked_up = look_up(space, brought.without_data, projection)
    if brought.survey is None:
        return looked_up
    encoded = place(space, brought.survey, projection)
    joined = {
        name: np.concatenate([getattr(encoded, name), getattr(looked_up, name)])
        for name in (SOURCE_ID, "latents", "sigmas", "coordinates", "inside", "in_catalog")
    }
    return Placed(
        latent_names=space.latent_names,
        reason=encoded.reason + looked_up.reason,
        encoded=np.concatenate([encoded.encoded, looked_up.encoded]),
        evidence=encoded.evidence,
        **joined,
    )


def look_up(
    space: LatentSpace, source_ids: NDArray[np.int64], projection: str | None = None
) -> Placed:
    """Return what the bundle knows of identifiers (M,): its own latents and places, else NaN."""
    rows = space.bundle.rows(source_ids)
    known = rows >= 0
    latents = np.full((len(rows), space.latents.shape[1]), np.nan, np.float32)
    coordinates = np.full((len(rows), 2), np.nan, np.float32)
    latents[known] = space.latents[rows[known]]
    coordinates[known] = space.projection(projection).coordinates[rows[known]]
    flagged = np.zeros(len(rows), bool)
    if FLAGGED.name in space.bundle.catalog:
        flags = space.bundle.catalog[FLAGGED.name].to_numpy(object)
        flagged[known] = flags[rows[known]] == "yes"
    placed = np.isfinite(coordinates).all(axis=1)
    inside = known & placed & ~flagged
    reasons = np.full(len(rows), "", object)
    reasons[flagged] = "the bundle flags it as outside the training data"
    reasons[known & ~placed] = "in the catalog, without latents in this space"
    reasons[~known] = NOT_HERE
    nothing = np.full_like(latents, np.nan)
    return Placed(
        source_ids, space.latent_names, latents, nothing, coordinates, inside, tuple(reasons),
        known, np.zeros(len(rows), bool),
    )  # fmt: skip


def placing_method(
    space: LatentSpace, latents: NDArray[np.floating], projection: str | None = None
) -> str:
    """Say how a point (K,) was put on the map; `LatentSpace.project` does it."""
    whole = bool(np.isfinite(latents).all())
    own = space.projection(projection).projector is not None
    return PARAMETRIC if own and whole else BY_NEIGHBORS


Drawn = tuple[Curve | Grid, ...]


def curves_of(space: LatentSpace, placed: Placed, block: str, item: int) -> tuple[Drawn, Drawn]:
    """Return what was given of a source in one block, and what its own latents decode to.

    Both are () where the files brought nothing of that block.
    """
    evidence = placed.evidence.get(block)
    if evidence is None or not placed.encoded[item]:
        return (), ()
    model, given = space.bundle.model(evidence.model), evidence.given
    at, of_product = item_of_row(given.rows, item), item_of_row(evidence.product.rows, item)
    if at is None or of_product is None:
        return (), ()
    arrays = {name: array[at] for name, array in given.arrays.items()}
    scales = given.scales[at]
    observed = model.modality.observed(
        evidence.product, of_product, arrays, scales, model.constants
    )
    return observed, model.curves(placed.latents[item][space.blocks[block]], scales)


def rejected_file(out: Path) -> Path:
    """Return where the rows that could not be read are listed, with reasons."""
    return out.with_name(f"{out.stem}.rejected{out.suffix}")


def _write(frame: pd.DataFrame, file: Path) -> None:
    partial = file.with_name(file.name + ".partial")
    with disk_errors(file):
        WRITERS[file.suffix](frame, partial)
        partial.replace(file)


def place(space: LatentSpace, survey: Folder, projection: str | None = None) -> Placed:
    """Encode a survey's sources with the models of a space.

    Raises InputError where the space has no model, or the survey is of another data release.
    """
    if not space.models:
        raise InputError(
            f"space {space.name!r} of {space.bundle.name} has no model to encode with",
            remedy="import the published weights, or build a bundle",
        )
    refuse_mixing(space.bundle.folder, survey)
    catalog = survey.catalog
    shape = (len(catalog), space.latents.shape[1])
    latents, sigmas = (np.full(shape, np.nan, np.float32) for _ in range(2))
    reasons: list[list[str]] = [[] for _ in range(len(catalog))]
    outside = np.zeros(len(catalog), bool)
    evidence = {}
    for block, part in space.blocks.items():
        found = _encoded(space, block, survey)
        latents[:, part], sigmas[:, part] = found.means, found.sigmas
        if found.evidence is not None:
            evidence[block] = found.evidence
        for row, why in found.refused.items():
            reasons[row].append(f"no {block} latents: {why}")
        for row, why in found.outside.items():
            reasons[row].append(f"{block}: {why}")
            outside[row] = True
    beyond = space.outside(latents)
    nothing = ~np.isfinite(latents).any(axis=1)
    for row in np.flatnonzero(beyond & ~nothing).tolist():
        reasons[row].append(OUTSIDE)
    known = space.bundle.rows(catalog.source_id) >= 0
    return Placed(
        catalog.source_id,
        space.latent_names,
        latents,
        sigmas,
        space.project(latents, projection).astype(np.float32),
        ~(outside | beyond),
        tuple("; ".join(found) for found in reasons),
        known,
        np.ones(len(catalog), bool),
        evidence,
    )


@dataclass(frozen=True)
class _Block:
    """A block's latents of all rows (N, k), why rows have none, and why rows are outside."""

    means: NDArray[np.float32]
    sigmas: NDArray[np.float32]
    refused: Mapping[int, str]
    outside: Mapping[int, str] = field(default_factory=dict)
    evidence: Evidence | None = None


def _encoded(space: LatentSpace, block: str, survey: Folder) -> _Block:
    size = space.blocks[block].stop - space.blocks[block].start
    count = len(survey.catalog)
    means, sigmas = (np.full((count, size), np.nan, np.float32) for _ in range(2))
    if block not in space.models:
        return _Block(means, sigmas, dict.fromkeys(range(count), "the bundle has no model for it"))
    name = space.models[block]
    model = space.bundle.model(name)
    product = load_product(survey, PRODUCTS[model.modality.product])
    if product is None:
        why = f"the files hold no {model.modality.product}"
        return _Block(means, sigmas, dict.fromkeys(range(count), why))
    refused = dict.fromkeys(range(count), f"it has no {model.modality.product}")
    given = model.modality.preprocess(product, survey.catalog, model.constants)
    refused |= dict(given.rejected)
    outside: dict[int, str] = {}
    if len(given):
        means[given.rows], sigmas[given.rows] = encode(model.network, given.arrays)
        outside = _judged(space, name, given, means[given.rows])
    lacking = {row: why for row, why in refused.items() if np.isnan(means[row]).any()}
    return _Block(means, sigmas, lacking, outside, Evidence(name, product, given))


def _judged(
    space: LatentSpace, name: str, given: Observations, latents: NDArray[np.float32]
) -> dict[int, str]:
    """Say why rows are outside a model's training data; {} where its limits are not known."""
    trust = space.bundle.trust(name)
    if trust is None:
        return {}
    outside, reasons = judge_new(trust, space.bundle.model(name), given, latents)
    said = zip(given.rows.tolist(), outside, reasons, strict=True)
    return {row: why for row, is_outside, why in said if is_outside}
